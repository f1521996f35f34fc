"""Parameters and data of real jobs: what the program is given, and what it leaves behind."""

from __future__ import annotations

import json
import shlex
import sys
import uuid

import pytest

from mlflow_azureml_backend.job import WorkspaceRef

ARGV = "import json, sys; print(json.dumps(sys.argv[1:]))"
CAT = """\
import os, sys
for path in sys.argv[1:]:
    files = [path] if os.path.isfile(path) else [
        os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names
    ]
    for file in sorted(files):
        with open(file) as stream:
            print(os.path.basename(file), stream.read())
"""
PYTHON = shlex.quote(sys.executable)


@pytest.fixture
def config(emulator):
    """Name a fresh workspace of the emulator whose jobs run in the Python of the tests."""
    from mlflow_azureml_backend.emulator.administration import request

    ref = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(ref.values())}")
    return {
        "workspace": ref,
        "compute": "cpu-cluster",
        "environment": {"image": "ubuntu:22.04"},
    }


@pytest.fixture
def connection(config):
    from mlflow_azureml_backend.workspace import connect

    return connect(WorkspaceRef(**config["workspace"]))._connection


@pytest.fixture
def jobs(connection):
    """Give the properties of the workspace's jobs, newest first."""

    def read():
        page = connection.arm("GET", "/jobs", api_version="2024-04-01", doing="listing jobs")
        return [job["properties"] for job in page["value"]]

    return read


@pytest.fixture
def project(tmp_path):
    """Write a project of one entry point, and other files."""

    def write(command, parameters=None, **files):
        root = tmp_path / "project"
        root.mkdir()
        entry = {"command": command, "parameters": parameters or {}}
        (root / "MLproject").write_text(json.dumps({"entry_points": {"main": entry}}))
        for name, text in {"argv.py": ARGV, "cat.py": CAT, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return write


@pytest.fixture
def lines(client, config, capfd):
    """Run a project to its end, and give the lines that the job printed."""
    import mlflow

    def run(root, parameters=None, **changes):
        submitted = mlflow.projects.run(
            str(root),
            parameters=parameters or {},
            backend="azureml",
            backend_config={**config, **changes},
            experiment_name="sample",
            synchronous=False,
        )
        assert submitted.wait(), submitted.outcome
        return capfd.readouterr().out.splitlines()

    return run


def test_a_local_file_and_folder_are_uploaded_once_and_mounted(
    project, lines, jobs, connection, tmp_path, monkeypatch
):
    data = tmp_path / "elsewhere"
    (data / "deep").mkdir(parents=True)
    (data / "a.txt").write_text("one")
    (data / "deep" / "b.txt").write_text("two")
    (data / ".gitignore").write_text("*")
    (tmp_path / "single file.txt").write_text("three")
    (tmp_path / "linked.txt").symlink_to(data / "a.txt")
    monkeypatch.chdir(tmp_path)
    root = project(
        f"{PYTHON} cat.py {{the-folder}} {{inside}} --file={{file}}".replace("--file=", ""),
        {
            "the-folder": "path",
            "file": "path",
            "inside": {"type": "path", "default": "data/in.txt"},
        },
        **{"data/in.txt": "four"},
    )
    values = {"the-folder": "elsewhere", "file": str(tmp_path / "single file.txt")}

    first = lines(root, values)
    second = lines(root, values, inputs={"file": {"mode": "download"}})

    assert first == [
        ".gitignore *",
        "a.txt one",
        "b.txt two",
        "in.txt four",
        "single file.txt three",
    ]
    assert second == first
    newest, oldest = jobs()
    assert "data/in.txt" in newest["command"]
    assert newest["inputs"].keys() == {"the_folder", "file"}
    assert newest["inputs"]["the_folder"]["jobInputType"] == "uri_folder"
    assert oldest["inputs"]["file"]["jobInputType"] == "uri_file"
    assert newest["inputs"]["file"]["uri"] == oldest["inputs"]["file"]["uri"]
    assert {job["inputs"]["file"]["mode"] for job in jobs()} == {"ReadOnlyMount", "Download"}
