"""`compute: local`: the project runs on this machine, tracked in the workspace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
import venv
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import ExecutionException

from mlflow_azureml_backend import attach
from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.schema import WorkspaceConfig
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.local_run.folder import ROOT_VARIABLE
from mlflow_azureml_backend.runs import cancel, download, find_run, status
from mlflow_azureml_backend.workspace import connect
from tests.end_to_end.conftest import PROJECTS

if sys.platform == "win32":
    pytest.skip("the project's commands are a shell's", allow_module_level=True)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """Make a Python without MLflow, which needs no plugin to log by REST."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, symlinks=True)
    return folder / "bin"


@pytest.fixture
def here(emulator, monkeypatch, tmp_path):
    """Give a workspace of the emulator, and a place for the runs' folders."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "runs"))
    named = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "local",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(named.values())}")
    return named


@pytest.fixture
def service(here):
    ref = locate_workspace(
        WorkspaceConfig(**here), tracking_uri="", environ={}, project_root=PROJECTS
    )
    return connect(ref)


@pytest.fixture
def project(tmp_path, bare_python, monkeypatch) -> Path:
    monkeypatch.setenv("PATH", f"{bare_python}:{os.environ['PATH']}")
    return Path(shutil.copytree(PROJECTS / "local", tmp_path / "project"))


@pytest.fixture
def start(client, project, here):
    """Start an entry point from Python and return at once."""

    def started(entry_point: str, *, config=None, **options):
        return mlflow.projects.run(
            str(project),
            entry_point,
            backend="azureml",
            backend_config={"workspace": here, "compute": "local", **(config or {})},
            experiment_name="sample",
            synchronous=False,
            **options,
        )

    return started


def paths(service, run) -> list[str]:
    return [file["path"] for file in service.tracked_run(run.job_name).artifacts()]


def until(condition, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_project_runs_here_and_the_workspace_has_its_run(
    mlflow_run, client, project, here, service, runs, tmp_path
):
    (project / "outputs").mkdir()
    (project / "outputs" / "of an earlier run").touch()
    config = {
        "workspace": here,
        "compute": "LOCAL",
        "environment_variables": {"COLOUR": "blue"},
        "tags": {"team": "research"},
        "queue_timeout": 60,
    }

    result = mlflow_run(
        *(str(project), "--backend-config", json.dumps(config), "--run-name", "mine"),
        *("-P", "word=$(id) it's"),
    )

    assert result.exit_code == 0, result.stderr
    characters = len((project / "train.py").read_text())
    lines = {'word is "$(id) it\'s", colour is blue', f"data has {characters} characters"}
    assert lines <= set(result.stdout.splitlines())
    assert result.stdout.endswith("no line break at the end\n")
    assert "queue_timeout says nothing for a run on this machine" in result.stderr
    assert "Completed" in result.stderr
    [mine] = runs()
    theirs = service.tracked_run(mine.data.tags["azureml.job_name"])
    data, info = theirs.read()["data"], theirs.read()["info"]
    tags = {tag["key"]: tag["value"] for tag in data["tags"]}
    assert (mine.info.status, info["status"]) == ("FINISHED", "FINISHED")
    assert (mine.info.run_name, info["run_name"]) == ("mine", "mine")
    assert tags["team"] == mine.data.tags["team"] == "research"
    assert tags["mlflow.source.name"] == str(project)
    assert tags["mlflow.project.entryPoint"] == "main"
    assert tags["mlflow.project.backend"] == "azureml"
    assert mine.data.params == {"word": "$(id) it's", "data": "train.py"}
    assert {item["key"]: item["value"] for item in data["params"]} == mine.data.params
    assert mine.data.metrics == {"loss": 1.5}
    kept = ["outputs/deep/model.bin", "outputs/note.txt", "user_logs/std_log.txt"]
    assert [file["path"] for file in theirs.artifacts()] == [
        "code/MLproject",
        "code/train.py",
        *kept,
    ]
    found = Path(mlflow.artifacts.download_artifacts(run_id=mine.info.run_id))
    log = (found / "user_logs" / "std_log.txt").read_text()
    assert lines <= set(log.splitlines())
    assert log.endswith("no line break at the end")
    assert (found / "outputs" / "deep" / "model.bin").read_bytes() == bytes(range(256)) * 4
    assert not (found / "code").exists()
    assert list((tmp_path / "runs").iterdir()) == []
    # From the workspace, as any other run: the folder on this machine is gone.
    assert status(mine.info.run_id).status == "Completed"
    assert find_run(theirs.read()["info"]["run_id"], workspace=service.ref).handle.machine
    assert download(mine.info.run_id, "outputs/note.txt", dest=tmp_path / "got").is_complete


def test_a_project_that_fails_leaves_its_traceback(start, client, service):
    run = start("fail")

    assert run.wait() is False

    assert run.get_status() == client.get_run(run.run_id).info.status == "FAILED"
    said = "The project's command ended with exit code 1: ValueError: no such luck\nTraceback"
    theirs = service.tracked_run(run.job_name)
    assert theirs.tags()["azureml.error"].startswith(said)
    assert client.get_run(run.run_id).data.tags["azureml.error"].startswith(said)
    assert theirs.read()["info"]["status"] == "FAILED"
    assert "user_logs/std_log.txt" in paths(service, run)


def test_a_cancelled_run_is_killed_in_both_worlds(start, client, service):
    run = start("wait")
    assert run.get_status() == "RUNNING"

    [state] = cancel(run.run_id)

    assert state.status == "Canceled"
    assert run.get_status() == client.get_run(run.run_id).info.status == "KILLED"
    assert service.tracked_run(run.job_name).read()["info"]["status"] == "KILLED"


def test_who_attaches_completes_a_run_whose_client_is_gone(start, client, service, capsys):
    left = start("slow", parameters={"seconds": 0.5})

    attach(left.run_id).wait()

    assert client.get_run(left.run_id).info.status == "FINISHED"
    assert "outputs/late.txt" in paths(service, left)
    assert "started" in capsys.readouterr().out
    # Once more changes nothing.
    assert attach(left.run_id).wait() is True
    assert left.wait() is True


@pytest.mark.slow
def test_a_run_without_a_trace_on_its_machine_is_ended(start, client, service, tmp_path):
    run = start("slow", parameters={"seconds": 0.1})
    until(lambda: list(tmp_path.glob("runs/*/ending.json")))
    shutil.rmtree(tmp_path / "runs")

    assert attach(run.run_id).wait() is False

    ended = client.get_run(run.run_id)
    assert ended.info.status == "FAILED"
    assert "Nothing of the run is left on this machine" in ended.data.tags["azureml.error"]
    assert service.tracked_run(run.job_name).read()["info"]["status"] == "FAILED"


def test_a_python_with_mlflow_and_without_the_plugin_is_refused(
    client, runs, project, here, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    with pytest.raises(ExecutionException, match="has MLflow and lacks azureml-mlflow"):
        mlflow.projects.run(
            str(project),
            backend="azureml",
            backend_config={"workspace": here, "compute": "local"},
            experiment_name="sample",
        )

    assert runs() == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_mlflow_makes_the_projects_environment_and_the_log_has_how(
    start, client, project, service, tmp_path, monkeypatch
):
    pytest.importorskip("uv", reason="uv makes the environment")
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "environments"))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (project / "python_env.yaml").write_text(f'python: "{version}"\ndependencies: []\n')
    with (project / "MLproject").open("a") as file:
        file.write("python_env: python_env.yaml\n")

    # Without the plugin nothing needs to be installed; it has a test of its own.
    run = start("main", env_manager="uv", config={"inject": "never"})

    assert run.wait() is True
    service.download(run.job_name, paths=("user_logs/std_log.txt",), dest=tmp_path)
    log = (tmp_path / "user_logs" / "std_log.txt").read_text()
    assert "Creating a new environment in" in log
    assert "word is 'hello'" in log
    assert client.get_run(run.run_id).data.metrics == {"loss": 1.5}


@pytest.mark.slow
def test_an_environment_that_cannot_be_made_fails_the_run_and_says_why(
    start, client, project, monkeypatch
):
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    (project / "python_env.yaml").write_text('python: "3.13.39"\n')
    with (project / "MLproject").open("a") as file:
        file.write("python_env: python_env.yaml\n")

    run = start("main", env_manager="uv")

    assert run.wait() is False
    said = client.get_run(run.run_id).data.tags["azureml.error"]
    assert "ended with exit code 1: The project's environment could not be made" in said


@pytest.mark.campaign
def test_the_plugin_joins_the_environment_that_mlflow_makes(client, here, tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(PROJECTS / "training", project)
    (project / "conda.yaml").unlink()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (project / "requirements.txt").write_text("mlflow-skinny==3.5.0\n")
    (project / "python_env.yaml").write_text(
        f'python: "{version}"\ndependencies: ["-r requirements.txt"]\n'
    )
    text = (project / "MLproject").read_text()
    (project / "MLproject").write_text(
        text.replace("conda_env: conda.yaml", "python_env: python_env.yaml")
    )
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "environments"))

    run = mlflow.projects.run(
        str(project),
        backend="azureml",
        backend_config={"workspace": here, "compute": "local"},
        experiment_name="sample",
        env_manager="uv",
        parameters={"alpha": 2},
    )

    mine = client.get_run(run.run_id)
    assert mine.data.params["from_the_job"] == "yes"
    assert mine.data.tags["colour"] == "blue"
    assert len(client.get_metric_history(run.run_id, "loss")) == 5
    found = Path(mlflow.artifacts.download_artifacts(run_id=run.run_id))
    assert (found / "notes" / "note.txt").read_text() == "a note"
    assert "the run is the job: True" in (found / "user_logs" / "std_log.txt").read_text()


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_a_run_that_attach_completes(
    client, project, here, service, runs, tmp_path
):
    config = json.dumps({"workspace": here, "compute": "local"})
    command = ["run", str(project), "-e", "slow", "--backend", "azureml", "-P", "seconds=5"]
    command += ["--experiment-name", "sample", "--backend-config", config]
    output = tmp_path / "client.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mlflow.cli import cli; cli()", *command],
            stdout=file,
            stderr=file,
        )
    until(lambda: "started" in output.read_text() or process.poll() is not None, 200)
    process.kill()
    process.wait()
    [run] = runs()
    assert run.info.status == "RUNNING", output.read_text()

    assert attach(run.info.run_id).wait() is True

    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    files = service.tracked_run(run.data.tags["azureml.job_name"]).artifacts()
    assert {"outputs/late.txt", "user_logs/std_log.txt"} <= {file["path"] for file in files}
