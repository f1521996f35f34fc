"""Data of this machine is found before anything is created."""

import os

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.data_files import list_data_files
from mlflow_azureml_backend.project.loader import read_project

MLPROJECT = """\
entry_points:
  main:
    parameters: {data: {type: path, default: data/in.csv}, rate: {type: float, default: 1}}
    command: train {data}
"""


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    write(**{"project/MLproject": MLPROJECT, "project/data/in.csv": "1", "user/own.csv": "22"})
    return write


@pytest.fixture
def found(write, tmp_path, monkeypatch):
    """Read the project as a user in the folder `user` does."""
    monkeypatch.chdir(tmp_path / "user")

    def read(values=None, **raw):
        project = read_project(
            str(tmp_path / "project"),
            version=None,
            entry_point="main",
            parameters=values,
            config=read_backend_config(raw)[0],
        )
        return {
            name: (
                found.path.relative_to(tmp_path).as_posix(),
                found.type,
                found.in_snapshot,
            )
            for name, found in project.local_data.items()
        }

    return read


def test_a_default_is_a_path_in_the_project(found, write):
    write(**{"user/data/in.csv": "another"})
    assert found() == {"data": ("project/data/in.csv", "uri_file", "data/in.csv")}


def test_a_typed_path_is_one_of_the_working_directory_and_else_of_the_project(found, write):
    assert found({"data": "own.csv"}) == {"data": ("user/own.csv", "uri_file", None)}
    assert found({"data": "data"}) == {"data": ("project/data", "uri_folder", "data")}
    assert found({"data": "../user"}) == {"data": ("user", "uri_folder", None)}
    write(**{"user/data/in.csv": "another"})
    assert found({"data": "data/in.csv"}) == {"data": ("user/data/in.csv", "uri_file", None)}


def test_an_absolute_path_and_a_file_uri_are_read(found, tmp_path):
    path = tmp_path / "user" / "two words.csv"
    path.write_text("x")
    expected = {"data": ("user/two words.csv", "uri_file", None)}
    assert found({"data": str(path)}) == found({"data": path.as_uri()}) == expected


def test_what_is_not_in_the_snapshot_is_uploaded(found, write):
    write(**{"project/.gitignore": "*.csv\n", "project/data/other.txt": "x"})
    assert found() == {"data": ("project/data/in.csv", "uri_file", None)}
    assert found({"data": "data"})["data"][2] is None
    assert found({"data": "."})["data"] == ("user", "uri_folder", None)


def test_a_folder_with_caches_of_python_is_in_the_snapshot(found, write):
    write(**{"project/data/__pycache__/a.pyc": ""})
    assert found({"data": "data"})["data"][2] == "data"


def test_what_the_config_makes_an_input_is_uploaded_even_from_the_project(found):
    assert found(inputs={"data": {"mode": "download"}})["data"][2] is None
    other = {"other": {"path": "data", "type": "uri_folder"}}
    assert found(inputs=other)["other"] == ("project/data", "uri_folder", None)


@pytest.mark.parametrize(
    ("values", "raw", "words"),
    [
        ({"data": "gone.csv"}, {}, "'data' names data that does not exist: 'gone.csv'. Looked in "),
        ({"data": "/gone.csv"}, {}, "'data' names data that does not exist: '/gone.csv'."),
        ({"data": ""}, {}, "'data' names data and has no value"),
        ({"data": "a\0b"}, {}, "'data' names"),
        ({}, {"inputs": {"x": {"path": "gone"}}}, "'x' names data that does not exist: 'gone'"),
        ({}, {"inputs": {"data": {"type": "uri_folder"}}}, "inputs says uri_folder, but"),
        ({}, {"inputs": {"x": {"path": "data", "type": "mltable"}}}, "has no file MLTable"),
        ({}, {"inputs": {"x": {"path": "data", "type": "mlflow_model"}}}, "has no file MLmodel"),
        ({"data": "own.csv"}, {"max_input_size": 1}, "has 2 B, and 1 B are uploaded at most"),
        ({"data": "empty"}, {}, "empty has no file to upload"),
        ({"data": "loop"}, {}, "loop/again is a symbolic link to a folder above it"),
        ({"data": "pipe"}, {}, "pipe/p is no file that can be uploaded"),
        ({}, {"snapshot": {"max_size": 2}}, "snapshot would have"),
    ],
)
def test_data_that_cannot_be_uploaded_is_named(found, tmp_path, values, raw, words):
    for name in ("empty", "loop", "pipe"):
        (tmp_path / "user" / name).mkdir()
    (tmp_path / "user" / "loop" / "again").symlink_to(".")
    os.mkfifo(tmp_path / "user" / "pipe" / "p")
    with pytest.raises(ProjectError, match="") as caught:
        found(values, **raw)
    assert words in str(caught.value)


def test_a_parameter_that_the_config_gives_needs_no_value(tmp_path, write):
    write(**{"project/MLproject": MLPROJECT.replace("{type: path, default: data/in.csv}", "path")})
    for raw in ({"outputs": {"data": {}}}, {"inputs": {"data": {"path": "azureml:a:1"}}}):
        project = read_project(
            str(tmp_path / "project"),
            version=None,
            entry_point="main",
            parameters={},
            config=read_backend_config(raw)[0],
        )
        assert project.local_data == {}


def test_data_is_all_of_a_folder_that_no_amlignore_names(tmp_path):
    (tmp_path / "outside").write_text("x")
    root = tmp_path / "data"
    for name in (".gitignore", "__pycache__/a", "mlruns/b", "c.log", "d"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("*\n")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / ".amlignore").write_text("*.log\n")
    names = [file.name for file in list_data_files(root)]
    assert names == [".amlignore", ".gitignore", "__pycache__/a", "d", "link", "mlruns/b"]
    assert [file.name for file in list_data_files(root / "d")] == ["d"]
