"""Projects come from folders, zip files and git; nothing of theirs is changed by reading."""

import shutil
import tempfile
import zipfile

import pytest

from mlflow_azureml_backend.errors import ProjectError

MAIN = "name: {}\nentry_points: {{main: {{command: c}}}}"


@pytest.fixture
def repository(write, git, tmp_path):
    """A bare repository with a branch, a tag and a subfolder; gives its URI and commits."""
    work = write({"MLproject": MAIN.format("first"), "sub/MLproject": MAIN.format("sub")}, "work")
    git(work, "init", "-q", "-b", "trunk")
    commits = {}
    for name in ("first", "second", "branched"):
        if name == "branched":
            git(work, "checkout", "-q", "-b", "topic")
        (work / "MLproject").write_text(MAIN.format(name))
        git(work, "add", ".")
        git(work, "commit", "-q", "-m", name)
        commits[name] = git(work, "rev-parse", "HEAD")
        if name == "first":
            git(work, "tag", "v1")
    git(work, "checkout", "-q", "trunk")
    git(tmp_path, "clone", "-q", "--bare", str(work), "bare.git")
    return (tmp_path / "bare.git").as_uri(), commits


def test_a_folder_is_read_where_it_is(write, read):
    root = write({"MLproject": MAIN.format("p")})
    project = read(root)
    assert (project.root, project.uri, project.version) == (root.resolve(), str(root), None)


def test_a_folder_may_be_relative(write, read, monkeypatch):
    root = write({"MLproject": MAIN.format("p")})
    monkeypatch.chdir(root)
    assert read(".").root == root.resolve()
    assert read(".").uri == "."
    assert not read(".").is_fetched


def test_a_folder_may_be_a_file_uri(write, read):
    root = write({"MLproject": MAIN.format("p")}, "a folder")
    assert read(f"file://{root}").root == root.resolve()
    assert not read(f"file://{root}").is_fetched


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_may_have_a_subdirectory(write, read, scheme):
    root = write({"sub/MLproject": MAIN.format("sub")})
    assert read(f"{scheme}{root}#sub").root == (root / "sub").resolve()


@pytest.mark.parametrize("scheme", ["", "file://"])
@pytest.mark.parametrize("fragment", ["", "#sub"])
def test_a_zip_file_is_unpacked_elsewhere(write, read, tmp_path, scheme, fragment):
    root = write({"MLproject": MAIN.format("top"), "sub/MLproject": MAIN.format("sub")})
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    project = read(f"{scheme}{archive}{fragment}")
    assert project.name == ("sub" if fragment else "top")
    assert not project.root.is_relative_to(root)
    assert project.is_fetched
    assert project.git is None


@pytest.mark.parametrize(
    ("version", "name"),
    [(None, "second"), ("trunk", "second"), ("topic", "branched"), ("v1", "first")],
)
def test_a_git_repository_is_cloned_at_a_version(read, repository, version, name):
    uri, commits = repository
    project = read(uri, version=version)
    assert (project.name, project.uri, project.version) == (name, uri, version)
    assert project.git.commit == commits[name]
    assert project.git.repo_url == uri
    assert project.is_fetched
    assert not project.git.dirty


@pytest.mark.parametrize("name", ["first", "second", "branched"])
def test_a_git_repository_is_cloned_at_a_commit(read, repository, name):
    uri, commits = repository
    project = read(uri, version=commits[name])
    assert (project.name, project.git.commit) == (name, commits[name])
    assert project.git.branch is None


def test_the_branch_of_a_clone_is_known(read, repository):
    uri, _ = repository
    assert read(uri).git.branch == "trunk"
    assert read(uri, version="topic").git.branch == "topic"
    assert read(uri, version="v1").git.branch is None


@pytest.mark.parametrize("version", [None, "v1"])
def test_a_git_repository_may_have_a_subdirectory(read, repository, version):
    uri, commits = repository
    project = read(f"{uri}#sub", version=version)
    assert project.name == "sub"
    assert project.root.name == "sub"
    assert project.git.commit == commits["first" if version else "second"]


def test_a_bare_repository_may_be_named_by_its_path(read, repository):
    uri, _ = repository
    assert read(uri.removeprefix("file://"), version="topic").name == "branched"


def test_reading_a_bare_repository_leaves_it_as_it_is(read, repository, git, tmp_path):
    uri, _ = repository
    before = (tmp_path / "bare.git" / "config").read_text(), git(tmp_path / "bare.git", "show-ref")
    read(uri)
    read(uri, version="topic")
    after = (tmp_path / "bare.git" / "config").read_text(), git(tmp_path / "bare.git", "show-ref")
    assert after == before


def test_reading_the_same_repository_twice_gives_two_clones(read, repository):
    uri, _ = repository
    assert read(uri).root != read(uri).root


@pytest.mark.parametrize("version", ["absent", "0" * 40, "v9"])
def test_a_version_that_does_not_exist_is_named(read, repository, version):
    uri, _ = repository
    with pytest.raises(ProjectError, match=f"'{version}'"):
        read(uri, version=version)


def test_a_version_of_a_folder_without_git_is_refused(write, read):
    with pytest.raises(ProjectError, match="version is only supported for Git"):
        read(write({"MLproject": MAIN.format("p")}), version="main")


def test_a_subdirectory_that_does_not_exist_is_named(read, repository, write):
    uri, _ = repository
    for base in (uri, str(write({"MLproject": MAIN.format("p")}))):
        with pytest.raises(ProjectError, match="subdirectory absent"):
            read(f"{base}#absent")


def test_a_subdirectory_cannot_leave_the_project(write, read):
    root = write({"MLproject": MAIN.format("p")})
    with pytest.raises(ProjectError, match="not allowed in project subdirectory"):
        read(f"{root}#../other")


@pytest.mark.parametrize("uri", ["", "  "])
def test_no_project_at_all_says_what_to_give(read, uri):
    with pytest.raises(ProjectError, match="No project is named: give a folder"):
        read(uri)


@pytest.mark.parametrize(
    "uri", ["/no/such/folder", "no/such/folder", "file:///no/such/folder", "file:///no/such.zip"]
)
def test_a_project_that_does_not_exist_is_named(read, uri):
    with pytest.raises(ProjectError) as caught:
        read(uri)
    assert f"Project {uri} " in str(caught.value)
    assert "existing folder, a zip file, or a git repository" in str(caught.value)


def test_a_file_that_is_no_project_is_refused(write, read):
    root = write({"train.py": ""})
    with pytest.raises(ProjectError, match=r"train\.py is not a folder"):
        read(root / "train.py")


def test_a_broken_zip_file_is_refused(tmp_path, read):
    (tmp_path / "p.zip").write_text("no zip")
    with pytest.raises(ProjectError, match=r"p\.zip cannot be read: .* File is not a zip file"):
        read(tmp_path / "p.zip")


def test_a_zip_file_cannot_write_outside(tmp_path, read, monkeypatch):
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unpacked))
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("../../escaped", "x")
        archive.writestr("../escaped", "x")
    with pytest.raises(ProjectError):
        read(tmp_path / "p.zip")
    assert not (tmp_path / "escaped").exists()
    assert not (unpacked / "escaped").exists()


@pytest.mark.parametrize("version", [None, "main"])
def test_a_secret_in_the_uri_is_in_no_message_and_not_in_the_spec(read, version):
    with pytest.raises(ProjectError) as caught:
        # Nothing listens on port 1, so that git gives up at once.
        read("https://user:s3cr3t@127.0.0.1:1/team/repo.git", version=version)
    assert "s3cr3t" not in str(caught.value)
    assert "https://127.0.0.1:1/team/repo.git" in str(caught.value)
