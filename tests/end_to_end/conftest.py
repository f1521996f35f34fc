"""The whole product: the real MLflow CLI and API, the real clients, jobs in real environments.

With AZUREML_TEST_WORKSPACE naming an Azure ML `config.json`, the same tests run in that workspace
(on the compute AZUREML_TEST_COMPUTE, default `cpu-cluster`) instead of the emulator.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECTS = Path(__file__).parent / "projects"


@dataclass(frozen=True)
class CommandResult:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def config(workspace_config) -> dict[str, Any]:
    """Give the smallest backend config that runs."""
    compute = os.environ.get("AZUREML_TEST_COMPUTE", "cpu-cluster")
    return {"workspace": workspace_config, "compute": compute}


@pytest.fixture
def config_file(config, tmp_path) -> str:
    path = tmp_path / "backend.json"
    path.write_text(json.dumps(config))
    return str(path)


@pytest.fixture
def client(empty_store, tmp_path, monkeypatch):
    """Give a user's own MLflow store in an empty working directory, and its client."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    # The default experiment's artifacts belong to the template; this one's to the test.
    mlflow.create_experiment("sample", artifact_location=(tmp_path / "artifacts").as_uri())
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def mlflow_run(client):
    """Call `mlflow run` as the command line does, in this process."""
    from click.testing import CliRunner
    from mlflow.cli import cli

    def run(*arguments: str) -> CommandResult:
        result = CliRunner().invoke(
            cli, ["run", "--backend", "azureml", "--experiment-name", "sample", *arguments]
        )
        error = result.exception
        if error is not None and not isinstance(error, SystemExit):
            raise error
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def runs(client):
    """List the runs in the user's store, newest first."""

    def search() -> list[Any]:
        return list(client.search_runs([client.get_experiment_by_name("sample").experiment_id]))

    return search


@pytest.fixture
def jobs(workspace_config):
    """List the names of the workspace's jobs."""
    from mlflow_azureml_backend.config import locate_workspace
    from mlflow_azureml_backend.config.schema import WorkspaceConfig
    from mlflow_azureml_backend.workspace import connect

    named = (
        WorkspaceConfig(**workspace_config)
        if isinstance(workspace_config, dict)
        else workspace_config
    )
    ref = locate_workspace(named, tracking_uri="", environ={}, project_root=Path.cwd())
    connection = connect(ref)._connection

    def names() -> list[str]:
        page = connection.arm("GET", "/jobs", api_version="2024-04-01", doing="listing jobs")
        return [job["name"] for job in page["value"]]

    return names
