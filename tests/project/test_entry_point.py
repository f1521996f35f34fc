"""The entry point is a declared one or a script of the project, with a value for all it needs."""

import pytest

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project import EntryPoint
from mlflow_azureml_backend.translate.command import render_command

TWO = """
entry_points:
  train: {command: "python train.py {a} {b} {c}", parameters: {a: float, b: uri, c: {default: 1}}}
  test: {command: "python test.py"}
"""


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("train.py", "python train.py"),
        ("train.sh", "bash train.sh"),
        ("two words.py", "python 'two words.py'"),
        ("{braces}.py", "python '{braces}.py'"),
        ("./train.py", "python ./train.py"),
    ],
)
def test_a_script_is_an_entry_point_without_parameters(case, read, script, command):
    entry_point = read(case("scripts"), entry_point=script).entry_point
    assert (entry_point.name, entry_point.parameters) == (script, ())
    assert render_command(entry_point, {}) == command


@pytest.mark.parametrize("shell", ["/bin/zsh", "/usr/bin/fish"])
def test_a_shell_script_runs_in_bash_whatever_the_users_shell_is(case, read, monkeypatch, shell):
    monkeypatch.setenv("SHELL", shell)
    assert read(case("scripts"), entry_point="train.sh").entry_point.command == "bash train.sh"


def test_a_script_beside_an_mlproject_is_an_entry_point_too(write, read):
    root = write({"MLproject": TWO, "sub/extra.py": ""})
    assert read(root, entry_point="sub/extra.py").entry_point.command == "python sub/extra.py"


def test_a_declared_entry_point_goes_before_a_script_of_that_name(write, read):
    root = write({"MLproject": "entry_points: {t.py: {command: declared}}", "t.py": ""})
    assert read(root, entry_point="t.py").entry_point == EntryPoint(name="t.py", command="declared")


@pytest.mark.parametrize(
    "script",
    [
        "../outside.py",
        "sub/../../outside.py",
        "ABSOLUTE",
        "absent.py",
        "folder.py",
        "notes.txt",
        "train.R",
        "link.py",
        "",
    ],
)
def test_what_is_no_script_of_the_project_is_refused(write, read, tmp_path, script):
    root = write({"MLproject": TWO, "notes.txt": "", "train.R": "", "folder.py/x": "", "sub/x": ""})
    (tmp_path / "outside.py").touch()
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    name = str(tmp_path / "outside.py") if script == "ABSOLUTE" else script
    with pytest.raises(ProjectError, match="there is no entry point") as caught:
        read(root, entry_point=name)
    assert "(MLproject has: test, train)" in str(caught.value)


@pytest.mark.parametrize("script", ["${{inputs.x}}.py", "{inputs.x}.py", "a{search_space.y}.sh"])
def test_a_script_whose_name_azure_ml_would_resolve_is_refused(write, read, script):
    root = write({script: ""})
    with pytest.raises(ProjectError, match="reads as an Azure ML expression; rename the file"):
        read(root, entry_point=script)


def test_a_folder_without_mlproject_says_so(write, read):
    root = write({"train.py": ""})
    with pytest.raises(ProjectError, match=r"There is no MLproject file in .* no script 'main'"):
        read(root)


def test_an_mlproject_without_entry_points_says_so(write, read):
    root = write({"MLproject": "name: x"})
    with pytest.raises(ProjectError, match="MLproject has: none is declared"):
        read(root)


@pytest.mark.parametrize(
    ("given", "missing", "options"),
    [
        ({}, "a, b", "-P a=VALUE -P b=VALUE"),
        (None, "a, b", "-P a=VALUE -P b=VALUE"),
        ({"c": 3}, "a, b", "-P a=VALUE -P b=VALUE"),
        ({"a": "1"}, "b", "-P b=VALUE"),
    ],
)
def test_missing_values_are_all_named(write, read, given, missing, options):
    with pytest.raises(ProjectError) as caught:
        read(write({"MLproject": TWO}), entry_point="train", parameters=given)
    assert str(caught.value) == (f"Entry point 'train' needs a value for {missing}: add {options}.")


def test_an_empty_value_is_a_value(write, read):
    project = read(write({"MLproject": TWO}), entry_point="train", parameters={"a": "", "b": 0})
    assert project.parameters == {"a": "", "b": "0"}


def test_values_keep_the_order_in_which_they_were_given(write, read):
    given = {"z": 1, "b": None, "a": True, "extra": 0.1}
    project = read(write({"MLproject": TWO}), entry_point="train", parameters=given)
    assert list(project.parameters.items()) == [
        ("z", "1"),
        ("b", "None"),
        ("a", "True"),
        ("extra", "0.1"),
    ]
