"""A snapshot is the asset that azure-ai-ml would make of the same folder."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import pytest
from azure.ai.ml._utils._asset_utils import (
    get_content_hash,
    get_content_hash_version,
    get_ignore_file,
    get_upload_files_from_folder,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.snapshot_files import check_size
from mlflow_azureml_backend.workspace.snapshot import HASH_VERSION, digest, list_files


def ours(root):
    files = list_files(root)
    return digest(files), sorted(file.name for file in files)


def azures(root):
    ignore = get_ignore_file(root)
    files = get_upload_files_from_folder(root, ignore_file=ignore)
    return get_content_hash(root, ignore_file=ignore), sorted(name for _, name in files)


def names(root):
    return sorted(file.name for file in list_files(root))


@pytest.fixture
def tree(tmp_path):
    """Write a folder from a mapping of path and content."""

    def write(files, folder="project"):
        root = tmp_path / folder
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write


def test_the_hash_version_is_azure_ai_mls():
    assert int(HASH_VERSION) == get_content_hash_version()


TREES = {
    "one file": {"train.py": "print()"},
    "an empty file": {"a": "", "b": "x"},
    "only an empty file": {"a": ""},
    "folders": {"a/b/c.txt": "1", "a/b.txt": "2", "a.txt": "3", "a-b/c": "4"},
    "mixed case": {"B.txt": "1", "a.txt": "2", "C/x": "3", "c.txt": "4", "b/Y": "5", "b/x": "6"},
    "unicode": {"é.txt": "1", "日本/語.py": "2", "🙂": "3", "É.TXT": "4", "ß": "5", "SS": "6"},
    "spaces and signs": {"a b.txt": "1", "a#b": "2", "a'b": "3", "[x]": "4", "{y}": "5", "$z": "6"},
    "a large file": {"large": b"x" * 3_000_000},
    "binary": {"b": bytes(range(256))},
    "hidden files": {".env": "1", ".config/x": "2", "a": "3"},
    "an .amlignore": {".amlignore": "*.log\ndata/\n", "a.log": "", "data/x": "", "b/c.log": ""},
    "a .gitignore": {".gitignore": "*.log\n", "a.log": "", "b": ""},
    "both, of which .amlignore counts": {
        ".amlignore": "*.a\n",
        ".gitignore": "*.b\n",
        "x.a": "",
        "x.b": "",
    },
    "an empty .amlignore hides .gitignore": {".amlignore": "", ".gitignore": "*", "x": ""},
    "an ignore file that ignores itself": {".amlignore": ".amlignore\n", "x": ""},
    "negation": {".amlignore": "*.txt\n!keep.txt\n", "a.txt": "", "keep.txt": "", "b/keep.txt": ""},
    "negation below an ignored folder": {
        ".amlignore": "data/\n!data/keep.txt\n",
        "data/keep.txt": "",
        "data/a": "",
        "b": "",
    },
    "negation and a last word": {
        ".amlignore": "!a.txt\n*.txt\n",
        "a.txt": "",
        "b": "",
    },
    "everything but": {".amlignore": "*\n!*.py\n", "a.py": "", "b.txt": "", "c/d.py": ""},
    "all of a folder but": {".amlignore": "/*\n!/src/\n", "src/a.py": "", "b.txt": ""},
    "anchored": {".amlignore": "/a\nb/c\n", "a": "", "x/a": "", "b/c": "", "x/b/c": ""},
    "double stars": {
        ".amlignore": "**/tmp/**\nx/**/y\n",
        "a/tmp/b": "",
        "x/1/2/y": "",
        "x/y": "",
        "z": "",
    },
    "classes and question marks": {
        ".amlignore": "[ab].txt\n?.py\n",
        "a.txt": "",
        "c.txt": "",
        "x.py": "",
        "xy.py": "",
    },
    "comments and blanks": {
        ".amlignore": "# *.py\n\n   \n\\#x\n*.log   \n",
        "a.py": "",
        "#x": "",
        "b.log": "",
    },
    "windows line ends": {".amlignore": "*.log\r\ndata/\r\n", "a.log": "", "data/x": "", "b": ""},
    "a byte order mark": {".amlignore": "\ufeff*.log\n", "a.log": "", "b": ""},
    "a file and a folder of one name": {
        ".amlignore": "data\n",
        "data/x": "",
        "b/data": "",
        "c": "",
    },
    "a trailing slash and a file": {".amlignore": "data/\n", "b/data": "", "c": ""},
    "unicode rules": {".amlignore": "é*\n", "été": "", "x": ""},
}


@pytest.mark.parametrize("files", TREES.values(), ids=TREES)
def test_files_and_digest_are_azure_ai_mls(tree, files):
    root = tree(files)
    assert ours(root) == azures(root)


parts = st.sampled_from(
    ["a", "B", "b", "data", "Data", "x.py", "X.PY", "é", "a b", "log.txt", ".h"]
)
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
rules = st.one_of(
    st.sampled_from(
        [
            *("", "#x", "*", "*.py", "*.txt ", " *", "?", "[ab]", "\\!x"),
            *("data", "data/", "/data", "B/", "a/*", "/*", "a/**", "**", "**/x.py", "a/**/b"),
            *("!data", "!data/", "!x.py", "!data/x.py", "!*/", "!/a", "!*"),
        ]
    ),
    st.text(alphabet="ab*/!x.py?[]# \\", max_size=6),
)


quietly = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
any_tree = given(
    files=st.dictionaries(paths, st.binary(max_size=5), min_size=1, max_size=8),
    ignore=st.none()
    | st.tuples(st.sampled_from([".amlignore", ".gitignore"]), st.lists(rules, max_size=4)),
)


@settings(max_examples=250, **quietly)
@any_tree
def test_any_tree_with_any_rules_is_azure_ai_mls(tmp_path, files, ignore):
    compare(tmp_path, files, ignore)


@pytest.mark.campaign
@settings(max_examples=5_000, **quietly)
@any_tree
def test_thousands_of_trees_are_azure_ai_mls(tmp_path, files, ignore):
    compare(tmp_path, files, ignore)


def compare(tmp_path, files, ignore):
    root = tmp_path / "project"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name, content in files.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:  # the name is a folder's, or a folder's name is a file's
            continue
    if ignore:
        (root / ignore[0]).write_text("\n".join(ignore[1]))
    try:
        expected = azures(root)
    except ValueError:  # it cannot read a rule; we may say so, or may be able to
        with contextlib.suppress(ProjectError):
            list_files(root)
        return
    if expected[1]:
        assert ours(root) == expected
    else:
        with pytest.raises(ProjectError, match="has no file to upload"):
            list_files(root)


def test_an_ignored_folder_is_not_walked(tree, monkeypatch):
    root = tree({".gitignore": "data/\n", "data/deep/x": "", "b": "", "c/.amlignore": "!d\n"})
    walked = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: walked.append(Path(path).name) or scan(path))
    assert names(root) == [".gitignore", "b", "c/.amlignore"]
    assert sorted(walked) == ["c", "project"]


def test_files_are_in_the_order_in_which_they_are_hashed(tree):
    root = tree({"b": "", "A": "", "a/x": "", "C": "", "a-b": ""})
    assert [file.name for file in list_files(root)] == ["A", "a-b", "a/x", "b", "C"]


@pytest.mark.parametrize(
    "change",
    [
        {"a.txt": "2", "b/c.txt": "3"},
        {"a.txt": "1", "b/c.txt": "33"},
        {"a.txt": "1", "b/d.txt": "3"},
        {"a.txt": "1"},
        {"a.txt": "1", "b/c.txt": "3", "d": ""},
        {"a.txt": "13", "b/c.txt": ""},
    ],
)
def test_every_change_changes_the_digest(tree, change):
    before = digest(list_files(tree({"a.txt": "1", "b/c.txt": "3"}, "before")))
    assert digest(list_files(tree(change, "after"))) != before


def test_the_same_files_elsewhere_have_the_same_digest(tree):
    files = {"a.txt": "1", "b/c.txt": "2"}
    assert digest(list_files(tree(files, "one"))) == digest(list_files(tree(files, "two")))


@pytest.mark.parametrize("scale", ["absolute", "relative"])
def test_a_folder_may_be_named_relatively_or_through_a_link(tree, tmp_path, monkeypatch, scale):
    root = tree({"a.txt": "1", "b/c.txt": "2"})
    (tmp_path / "link").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "link" if scale == "absolute" else Path("link")
    assert names(named) == ["a.txt", "b/c.txt"]
    assert digest(list_files(named)) == digest(list_files(root))


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".git",
        "__pycache__/a.pyc",
        "sub/__pycache__/a.pyc",
        "mlruns/0/meta.yaml",
        "sub/mlruns/0/meta.yaml",
        "mlartifacts/x",
        "mlflow.db",
        "venv/pyvenv.cfg",
        "sub/.venv/pyvenv.cfg",
        "env/conda-meta/history",
        "miniconda/pkgs/urls.txt",
        ".cache/pip/http-v2/a",
    ],
)
def test_what_is_never_code_is_never_uploaded(tree, name):
    assert names(tree({name: "x", "train.py": ""})) == ["train.py"]


def test_no_rule_takes_back_what_is_never_uploaded(tree):
    root = tree({".amlignore": "!mlruns/**\n!.git\n", "mlruns/x": "", ".git/config": ""})
    assert names(root) == [".amlignore"]


def test_the_state_of_an_emulator_below_the_project_is_left_out(tree, emulator, emulator_root):
    state = [file.name for file in emulator_root.iterdir() if file.is_file()]
    root = tree({"train.py": "", **{f".emulator/{name}": "" for name in state}})
    assert [file.name for file in list_files(root)] == ["train.py"]


def test_a_virtual_environment_is_known_by_its_mark_and_not_by_its_name(tree):
    root = tree({"env/pyvenv.cfg": "", "env/lib/a.py": "", "venv/train.py": "", "mlruns.py": ""})
    assert names(root) == ["mlruns.py", "venv/train.py"]


@pytest.mark.parametrize("files", [{}, {".git/config": ""}, {".amlignore": "*"}])
def test_a_folder_without_a_file_to_upload_is_refused(tree, tmp_path, files):
    (tmp_path / "project" / "empty").mkdir(parents=True)
    with pytest.raises(ProjectError, match="project has no file to upload"):
        list_files(tree(files))


def test_an_empty_folder_is_kept_by_an_empty_file(tree):
    root = tree({"a": "", ".gitignore": "unwanted/\n", "full/__pycache__/x": ""})
    (root / "empty" / "below").mkdir(parents=True)
    (root / "unwanted").mkdir()
    files = {file.name: file.path.read_bytes() for file in list_files(root)}
    assert files.keys() == {".gitignore", "a", "empty/below/.keep"}
    assert files["empty/below/.keep"] == b""


NESTED = {
    "a deeper file goes on": (
        {".gitignore": "*.log\n", "sub/.gitignore": "*.txt\n", "sub/a.txt": "", "sub/b.log": ""},
        [".gitignore", "sub/.gitignore"],
    ),
    "a deeper file takes back": (
        {".gitignore": "*.log\n", "sub/.gitignore": "!keep.log\n", "sub/keep.log": "", "a.log": ""},
        [".gitignore", "sub/.gitignore", "sub/keep.log"],
    ),
    "its rules are its folder's own": (
        {"sub/.gitignore": "/a\ndeep/b\n", "sub/a": "", "a": "", "sub/deep/b": "", "deep/b": ""},
        ["a", "deep/b", "sub/.gitignore"],
    ),
    "it has no say in a folder that stays behind": (
        {".gitignore": "data/\n", "data/.gitignore": "!*\n", "data/x": ""},
        [".gitignore"],
    ),
    "each folder's .amlignore goes before its others": (
        {"sub/.amlignore": "a\n", "sub/.mlflowignore": "b\n", "sub/.gitignore": "c\n"}
        | {"sub/a": "", "sub/b": "", "sub/c": ""},
        ["sub/.amlignore", "sub/.gitignore", "sub/.mlflowignore", "sub/b", "sub/c"],
    ),
    ".mlflowignore goes before .gitignore": (
        {".mlflowignore": "b\n", ".gitignore": "c\n", "b": "", "c": ""},
        [".gitignore", ".mlflowignore", "c"],
    ),
}


@pytest.mark.parametrize(("files", "listed"), NESTED.values(), ids=NESTED)
def test_ignore_files_count_in_every_folder(tree, files, listed):
    assert names(tree(files)) == listed


def test_what_the_config_excludes_goes_before_every_ignore_file(tree):
    root = tree({".amlignore": "*.csv\n", "a.csv": "", "b.csv": "", "c.py": "", "d/c.py": ""})
    listed = [file.name for file in list_files(root, exclude=("!a.csv", "/c.py"))]
    assert listed == [".amlignore", "a.csv", "d/c.py"]
    with pytest.raises(ProjectError, match=r"snapshot\.exclude of the backend config cannot be"):
        list_files(root, exclude=("!",))


def test_a_snapshot_that_is_too_large_names_its_ten_largest_files(tree):
    root = tree({f"file{size:02}": b"x" * size for size in range(1, 13)})
    with (root / "model.bin").open("wb") as sparse:
        sparse.truncate(5_000_000_000)
    files = list_files(root)
    check_size(files, max_bytes=6_000_000_000)
    with pytest.raises(ProjectError) as caught:
        check_size(files, max_bytes=300_000_000)
    first, *largest = str(caught.value).splitlines()
    assert "snapshot would have 5.0 GB, and may have 300.0 MB" in first
    assert [line.split() for line in largest[:2]] == [
        ["5.0", "GB", "model.bin"],
        ["12", "B", "file12"],
    ]
    assert len(largest) == 10


def test_a_file_that_goes_while_it_is_uploaded_is_named(tree):
    root = tree({"a": "", "b": "x"})
    files = list_files(root)
    (root / "b").unlink()
    with pytest.raises(ProjectError, match="b changed while it was uploaded: No such file"):
        digest(files)


def test_a_link_to_a_file_of_the_project_is_that_file_under_the_links_name(tree):
    root = tree({"data/a.txt": "content", "b": ""})
    (root / "link.txt").symlink_to(root / "data" / "a.txt")
    (root / "relative.txt").symlink_to("data/a.txt")
    assert names(root) == ["b", "data/a.txt", "link.txt", "relative.txt"]
    assert ours(root) == azures(root)


def test_a_link_to_a_folder_of_the_project_is_that_folder_under_the_links_name(tree):
    root = tree({"data/sub/a.txt": "content"})
    (root / "link").symlink_to("data")
    assert names(root) == ["data/sub/a.txt", "link/sub/a.txt"]
    assert ours(root) == azures(root)


def test_what_is_ignored_is_not_uploaded_through_a_link_to_its_folder(tree):
    root = tree({".amlignore": "data/\n", "data/secret": "x", "b": ""})
    (root / "link").symlink_to("data")
    assert names(root) == [".amlignore", "b"]
    assert ours(root) == azures(root)


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
@pytest.mark.parametrize("where", ["link", "sub/link"])
def test_a_link_that_leaves_the_project_is_refused_by_name(tree, tmp_path, kind, where):
    root = tree({"sub/a": ""})
    (tmp_path / "file").write_text("secret")
    (tmp_path / "folder").mkdir()
    (root / where).symlink_to(tmp_path / kind)
    with pytest.raises(ProjectError, match="link is a symbolic link that leaves the project"):
        list_files(root)


@pytest.mark.parametrize("rule", ["link", "link/", "/link", "l*", "**"])
def test_a_link_that_leaves_the_project_may_be_ignored(tree, tmp_path, rule):
    root = tree({".amlignore": f"{rule}\n!train.py\n", "train.py": ""})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "folder")
    assert "train.py" in names(root)
    assert not [name for name in names(root) if name.startswith("link")]


def test_a_link_inside_a_folder_that_is_never_uploaded_may_lead_anywhere(tree):
    root = tree({"venv/pyvenv.cfg": "", "train.py": ""})
    (root / "venv" / "python").symlink_to("/usr/bin/python3")
    assert names(root) == ["train.py"]


@pytest.mark.parametrize("target", [".", "..", "../sub"])
def test_a_link_to_a_folder_above_it_is_refused(tree, target):
    root = tree({"sub/a": ""})
    (root / "sub" / "loop").symlink_to(target)
    with pytest.raises(ProjectError, match="loop is a symbolic link to a folder above it"):
        list_files(root)


def test_a_link_to_a_folder_above_it_may_be_ignored(tree):
    root = tree({".amlignore": "loop/\n", "a": ""})
    (root / "loop").symlink_to(".")
    assert names(root) == [".amlignore", "a"]


def test_a_link_to_itself_is_refused(tree):
    root = tree({"a": ""})
    (root / "self").symlink_to("self")
    with pytest.raises(ProjectError, match="self cannot be read"):
        list_files(root)


def test_a_link_to_a_file_that_is_gone_is_left_out(tree):
    root = tree({"a": ""})
    (root / "gone").symlink_to("nowhere")
    assert names(root) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_what_is_neither_file_nor_folder_is_left_out(tree):
    root = tree({"a": ""})
    os.mkfifo(root / "pipe")
    assert names(root) == ["a"]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_name_that_is_no_text_is_refused(tree):
    root = tree({"a": ""})
    (Path(os.fsdecode(bytes(root) + b"/\xff.txt"))).touch()
    with pytest.raises(ProjectError, match=r"\\udcff\.txt': the file's name is no UTF-8"):
        list_files(root)


@pytest.mark.parametrize("rule", [b"!\n", b"\\\n", b"\xff\xfe\n"])
@pytest.mark.parametrize("name", [".amlignore", ".gitignore"])
def test_an_ignore_file_that_cannot_be_read_is_named(tree, name, rule):
    with pytest.raises(ProjectError, match=f"project.{name} cannot be read: "):
        list_files(tree({name: rule, "a": ""}))


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ProjectError, match="absent cannot be read: No such file"):
        list_files(tmp_path / "absent")
