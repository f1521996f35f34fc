"""Environment files are read with every file that they name, and never out of the project."""

import json

import pytest

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.project import EnvironmentKind
from mlflow_azureml_backend.project.environment_files import read_conda_file

MAIN = "entry_points: {main: {command: c}}"


def conda(text):
    return {"MLproject": f"conda_env: env/conda.yaml\n{MAIN}", "env/conda.yaml": text}


def python(text):
    return {"MLproject": f"python_env: env/python.yaml\n{MAIN}", "env/python.yaml": text}


def docker(text):
    return {"MLproject": f"docker_env: {text}\n{MAIN}"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (conda("a: ["), "conda.yaml is not valid YAML"),
        (conda("- a"), "conda.yaml must hold a mapping"),
        (conda(""), "conda.yaml must hold a mapping"),
        (conda("dependencies: python"), "dependencies must be a list"),
        (conda("dependencies: {a: b}"), "dependencies must be a list"),
        (conda("dependencies: [3.10]"), "dependencies must be text, got 3.1; quote it"),
        (conda("dependencies: [[a]]"), "dependencies must be text, got ['a']"),
        (conda("dependencies: [null]"), "dependencies must be text, got None"),
        (conda("dependencies: [{npm: [a]}]"), "must be `pip:` with a list of text"),
        (conda("dependencies: [{pip: a}]"), "must be `pip:` with a list of text"),
        (conda("dependencies: [{pip: [3]}]"), "must be `pip:` with a list of text"),
        (conda("dependencies: [{pip: }]"), "must be `pip:` with a list of text"),
        (conda("dependencies: [{pip: [a], npm: [b]}]"), "must be `pip:` with a list of text"),
        (python("a: ["), "python.yaml is not valid YAML"),
        (python("- a"), "python.yaml must hold a mapping"),
        (python("dependencies: mlflow"), "dependencies must be a list of text"),
        (python("dependencies: [3]"), "dependencies must be a list of text"),
        (python("build_dependencies: {a: b}"), "build_dependencies must be a list of text"),
        (python("python: 3.10"), 'python must be text: write python: "3.1" in quotes'),
        (python("python: latest"), "python must be a version"),
        (python("python: '>=3.8'"), "python must be a version"),
        (python("python: [3]"), "python must be a version"),
        (docker("{image: i, volumes: ['/a:/b']}"), "docker_env.volumes names folders"),
        (docker("{image: i, environment: [[A]]}"), "[name, value] pairs, got ['A']"),
        (
            docker("{image: i, environment: [[A, b, c]]}"),
            "[name, value] pairs, got ['A', 'b', 'c']",
        ),
    ],
)
def test_a_wrong_environment_says_what_is_wrong_and_where(write, read, files, message):
    with pytest.raises(EnvironmentSpecError) as caught:
        read(write(files))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('python: "3.10"', "3.10"),
        ("python: 3.10.4", "3.10.4"),
        ("python: 3", "3"),
        ("python: ", None),
        ("{}", None),
    ],
)
def test_a_python_envs_version_is_text(write, read, text, version):
    assert read(write(python(text))).environment.python == version


def test_a_python_envs_build_dependencies_come_first(write, read):
    files = python("dependencies: [b, c]\nbuild_dependencies: [a]")
    assert read(write(files)).environment.requirements == ("a", "b", "c")


@pytest.mark.parametrize("key", ["build_dependencies", "dependencies"])
def test_an_empty_section_of_a_python_env_is_empty(write, read, key):
    assert read(write(python(f"{key}:"))).environment.requirements == ()


def test_a_conda_file_keeps_every_key_and_its_order(write, read):
    text = "name: n\nchannels: [b, a]\nvariables: {A: '1'}\ndependencies: [python, {pip: [x]}]"
    content = read(write(conda(text))).environment.conda
    assert list(content) == ["name", "channels", "variables", "dependencies"]
    assert content["channels"] == ["b", "a"]
    with pytest.raises(TypeError):
        content["name"] = "other"


def test_a_conda_file_without_dependencies_has_none(write, read):
    assert read(write(conda("name: n"))).environment.conda == {"name": "n", "dependencies": []}


def test_an_environment_file_outside_the_project_is_shown_by_its_whole_path(write, read, tmp_path):
    (tmp_path / "shared.yaml").write_text("dependencies: [python]")
    root = write({"MLproject": f"conda_env: ../shared.yaml\n{MAIN}"})
    environment = read(root).environment
    assert environment.kind is EnvironmentKind.CONDA
    assert environment.file.endswith("shared.yaml")


@pytest.mark.parametrize(
    "line",
    [
        "-r more.txt",
        "-r  more.txt",
        "-r\tmore.txt",
        "-rmore.txt",
        "--requirement more.txt",
        "--requirement=more.txt",
        "-r ./more.txt",
        "-r ../env/more.txt",
        "  -r more.txt  # what we need",
    ],
)
def test_a_requirements_file_is_inlined_from_where_it_is_named(write, read, line):
    files = conda(f"dependencies: [{{pip: [a, {json.dumps(line)}, z]}}]")
    # The first is beside the conda file, the second beside the MLproject: pip takes the first.
    root = write({**files, "env/more.txt": "# c\n\nb==1 # d\n  c \n", "more.txt": "wrong"})
    assert read(root).environment.conda["dependencies"] == [{"pip": ["a", "b==1", "c", "z"]}]


def test_nested_requirements_files_are_found_from_the_file_that_names_them(write, read):
    root = write(
        {
            **python("dependencies: ['-r ../reqs/a.txt']"),
            "reqs/a.txt": "a\n-r sub/b.txt\n-r sub/b.txt\n",
            "reqs/sub/b.txt": "b\n-r ../c.txt\n",
            "reqs/c.txt": "c\n",
        }
    )
    assert read(root).environment.requirements == ("a", "b", "c", "b", "c")


def test_a_line_that_goes_on_is_one_line(write, read):
    root = write({"MLproject": MAIN, "requirements.txt": "a==1 \\\n --hash=sha256:00 \\\n\nb\n"})
    assert [line.split() for line in read(root).environment.requirements] == [
        ["a==1", "--hash=sha256:00"],
        ["b"],
    ]


@pytest.mark.parametrize(
    "line",
    [
        "a @ https://h/a.whl#sha256=00",
        "git+https://h/a#egg=a",
        "--extra-index-url https://h/simple",
        "--pre",
        "a==1; python_version < '3.9'",
        "-rr",
    ],
)
def test_every_other_line_is_passed_on_as_it_is(write, read, line):
    files = {"MLproject": MAIN, "requirements.txt": f"{line}\n", "r": "included\n"}
    expected = "included" if line == "-rr" else line
    assert read(write(files)).environment.requirements == (expected,)


def test_a_requirements_file_may_begin_with_a_byte_order_mark(write, read):
    root = write({"MLproject": MAIN, "requirements.txt": "\ufeffmlflow\r\npandas\r\n"})
    assert read(root).environment.requirements == ("mlflow", "pandas")


@pytest.mark.parametrize("first", ["a.txt", "b.txt", "c.txt"])
def test_requirements_files_that_include_each_other_are_an_error(write, read, first):
    root = write(
        {
            **python(f"dependencies: ['-r ../{first}']"),
            "a.txt": "-r b.txt",
            "b.txt": "-r a.txt",
            "c.txt": "-r c.txt",
        }
    )
    with pytest.raises(EnvironmentSpecError, match="include each other"):
        read(root)


@pytest.mark.parametrize("name", ["../outside.txt", "../../outside.txt", "link.txt", "ABSOLUTE"])
def test_a_requirements_file_outside_the_project_is_an_error(write, read, tmp_path, name):
    (tmp_path / "outside.txt").write_text("secret")
    name = str(tmp_path / "outside.txt") if name == "ABSOLUTE" else name
    root = write({"MLproject": MAIN, "requirements.txt": f"-r {name}"})
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(EnvironmentSpecError, match="names a file outside the project"):
        read(root)


@pytest.mark.parametrize("name", ["absent.txt", "folder", "binary.txt"])
def test_a_requirements_file_that_cannot_be_read_is_an_error(write, read, name):
    root = write({"MLproject": MAIN, "requirements.txt": f"-r {name}", "folder/x": ""})
    (root / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EnvironmentSpecError, match=rf"`-r {name}`: .* cannot be read"):
        read(root)


def test_an_environment_file_that_is_a_folder_is_an_error(write, read):
    root = write({"MLproject": f"conda_env: folder\n{MAIN}", "folder/x": ""})
    with pytest.raises(EnvironmentSpecError, match="folder cannot be read"):
        read(root)


def test_docker_env_copies_variables_of_this_machine_and_defines_others(write, read):
    text = "{image: i, environment: [COPIED, [NEW, x y], ABSENT, [NUMBER, 3], EMPTY]}"
    environment = read(write(docker(text)), environ={"COPIED": "c", "EMPTY": "", "X": "y"})
    assert environment.environment.variables == (
        ("COPIED", "c"),
        ("NEW", "x y"),
        ("NUMBER", "3"),
        ("EMPTY", ""),
    )


def test_docker_envs_copied_variables_are_this_processes_by_default(write, monkeypatch):
    from mlflow_azureml_backend.project.loader import read_project

    monkeypatch.setenv("COPIED_FROM_PROCESS", "here")
    root = write(docker("{image: i, environment: [COPIED_FROM_PROCESS]}"))
    project = read_project(str(root), version=None, entry_point="main", parameters=None)
    assert project.environment.variables == (("COPIED_FROM_PROCESS", "here"),)


def test_docker_env_with_empty_volumes_is_fine(write, read):
    assert read(write(docker("{image: 'h/i:1', volumes: []}"))).environment.image == "h/i:1"


def test_a_conda_file_is_read_by_its_path_as_well(write):
    root = write({"c.yaml": "dependencies: [{pip: ['-r r.txt']}]", "r.txt": "a"})
    assert read_conda_file(root / "c.yaml", root) == {"dependencies": [{"pip": ["a"]}]}


def test_a_conda_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(EnvironmentSpecError, match=r"absent\.yaml cannot be read: No such file"):
        read_conda_file(tmp_path / "absent.yaml", tmp_path)


PACKAGE = {"lib/pyproject.toml": "", "env/own/setup.py": "", "wheels/x-1.whl": "", "c.txt": ""}


@pytest.mark.parametrize(
    ("line", "resolved"),
    [
        ("-e ..", "-e ."),
        ("-e ..[dev]", "-e .[dev]"),
        ("-e../lib", "-e ./lib"),
        ("--editable ../lib", "--editable ./lib"),
        ("--editable=../lib", "--editable ./lib"),
        ("../lib", "./lib"),
        ("./own", "./env/own"),
        ("own/", "./env/own"),
        ("lib/", "./lib"),
        ("../lib[a,b] ; python_version > '3.8'", "./lib[a,b] ; python_version > '3.8'"),
        ("../wheels/x-1.whl --hash=sha256:00", "./wheels/x-1.whl --hash=sha256:00"),
        ("x @ file:../wheels/x-1.whl", "./wheels/x-1.whl"),
        ("x@file:../wheels/x-1.whl", "./wheels/x-1.whl"),
        ("x[a] @ file:../lib ; os_name == 'posix'", "./lib[a] ; os_name == 'posix'"),
        ("-c ../c.txt", "-c ./c.txt"),
        ("-f ../wheels", "-f ./wheels"),
        ("--find-links=../wheels", "--find-links ./wheels"),
    ],
)
def test_a_local_path_is_spelled_from_the_project_on(write, read, line, resolved):
    root = write({**conda(f"dependencies: [{{pip: [{json.dumps(line)}]}}]"), **PACKAGE})
    assert read(root).environment.conda["dependencies"] == [{"pip": [resolved]}]


@pytest.mark.parametrize(
    "line",
    [
        "mlflow==3.1",
        "mlflow[extras]>=2,<3 ; python_version < '3.12'",
        "x @ https://h/a/x-1.whl",
        "x @ git+https://h/x.git@main",
        "x@git+https://h/x.git",
        "x[a]@https://h/a/x-1.whl",
        "https://h/a/x-1.whl",
        "git+https://h/x.git#egg=x",
        "-e git+https://h/x.git#egg=x",
        "--extra-index-url https://h/simple",
        "-f https://h/wheels/",
        "a==1 --hash=sha256:00",
        "--no-binary :all:",
        "--pre",
    ],
)
def test_what_pip_fetches_itself_is_left_as_it_is(write, read, line):
    root = write(conda(f"dependencies: [{{pip: [{json.dumps(line)}]}}]"))
    assert read(root).environment.conda["dependencies"] == [{"pip": [line]}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e ../../elsewhere", "`-e ../../elsewhere` names"),
        ("../../elsewhere", "is outside the project"),
        ("-e ../missing", "missing, which does not exist"),
        ("./x.whl", "x.whl, which does not exist"),
        ("-c ../../elsewhere/c.txt", "does not exist"),
        ("-r ../../elsewhere.txt", "names a file outside the project"),
    ],
)
def test_a_local_path_that_cannot_travel_is_refused(write, read, tmp_path, line, message):
    root = write(conda(f"dependencies: [{{pip: [{json.dumps(line)}]}}]"))
    (root.parent / "elsewhere").mkdir(exist_ok=True)
    with pytest.raises(EnvironmentSpecError, match=r"conda\.yaml: `") as caught:
        read(root)
    assert message in str(caught.value)


def test_a_path_in_an_included_file_is_read_from_that_file_on(write, read):
    files = {**python("dependencies: ['-r ../reqs/a.txt']"), "reqs/a.txt": "-e ./lib\n-e ../lib\n"}
    root = write({**files, **PACKAGE, "reqs/lib/setup.py": ""})
    assert read(root).environment.requirements == ("-e ./reqs/lib", "-e ./lib")
