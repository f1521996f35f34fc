"""The oldest and the newest client run a project, in a local store and in the workspace's own."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)

TRAINING = Path(__file__).parents[1] / "end_to_end" / "projects" / "training"

# What a user would look at afterwards, through MLflow alone.
LOOK = """
import json, sys, mlflow
client = mlflow.MlflowClient()
experiments = [each.experiment_id for each in client.search_experiments()]
[run] = client.search_runs(experiments)
print(json.dumps({
    "run_id": run.info.run_id,
    "status": run.info.status,
    "params": run.data.params,
    "tags": run.data.tags,
    "points": len(client.get_metric_history(run.info.run_id, "loss")),
    "artifacts": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
}))
"""


def run_and_look(environment, project, config, folder, **variables):
    path = folder / "backend.json"
    path.write_text(json.dumps(config))
    result = environment.run(
        environment.mlflow,
        *("run", project, "--backend", "azureml", "--backend-config", path),
        *("-P", "alpha=0.5", "--run-name", "by hand"),
        **variables,
    )
    look = environment.run(environment.python, "-c", LOOK, **variables)
    assert result.returncode == 0, result.stderr
    assert look.returncode == 0, look.stderr
    return result, json.loads(look.stdout.splitlines()[-1])


@pytest.fixture
def training(tmp_path) -> Path:
    return Path(shutil.copytree(TRAINING, tmp_path / "training"))


@pytest.mark.slow
def test_a_local_store_mirrors_the_job(
    environment, training, venv_emulator, workspace_config, tmp_path
):
    config = {"workspace": workspace_config, "compute": "cpu-cluster"}
    result, run = run_and_look(
        environment,
        training,
        config,
        tmp_path,
        MLFLOW_TRACKING_URI=(tmp_path / "runs").as_uri(),
        MLFLOW_ALLOW_FILE_STORE="true",
        MLFLOW_AZUREML_EMULATOR_ROOT=str(venv_emulator),
    )

    assert "the run is the job: True" in result.stdout
    assert run["status"] == "FINISHED"
    assert run["params"]["from_the_job"] == "yes"
    assert run["points"] == 5
    assert run["artifacts"] == ["azureml", "notes", "user_logs"]
    assert run["tags"]["azureml.job_name"] != run["run_id"]


@pytest.mark.campaign
def test_in_the_workspace_store_the_run_is_the_job(
    environment, training, venv_emulator, workspace_config, tmp_path
):
    from mlflow_azureml_backend.emulator import lifecycle

    arm_id = (
        f"/subscriptions/{workspace_config['subscription_id']}"
        f"/resourceGroups/{workspace_config['resource_group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/"
        f"{workspace_config['workspace_name']}"
    )
    # The tracking URI names the workspace; the config does not.
    result, run = run_and_look(
        environment,
        training,
        {"compute": "cpu-cluster"},
        tmp_path,
        **lifecycle.environment(lifecycle.running(venv_emulator)),
        MLFLOW_TRACKING_URI=f"azureml://eastus.api.azureml.ms/mlflow/v1.0{arm_id}",
        MLFLOW_AZUREML_EMULATOR_ROOT=str(venv_emulator),
    )

    assert "the run is the job: True" in result.stdout
    assert run["status"] == "FINISHED"
    assert run["run_id"] == run["tags"]["azureml.job_name"]
    assert run["run_id"] in result.stderr
    assert run["params"] == {"alpha": "0.5", "label": "plain", "from_the_job": "yes"}
    assert run["points"] == 5
    assert run["tags"]["mlflow.runName"] == "by hand"
    assert run["tags"]["mlflow.project.backend"] == "azureml"


@pytest.mark.campaign
def test_mlflow_run_moves_to_the_workspace_where_the_config_says_so(
    environment, training, venv_emulator, workspace_config, tmp_path
):
    from mlflow_azureml_backend.emulator import lifecycle

    path = tmp_path / "backend.json"
    path.write_text(json.dumps({"workspace": workspace_config, "tracking": "workspace"}))
    result = environment.run(
        environment.mlflow,
        *("run", training, "--backend", "azureml", "--backend-config", path),
        *("--experiment-name", "new"),
        **lifecycle.environment(lifecycle.running(venv_emulator)),
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'mlflow.db'}",
        MLFLOW_AZUREML_EMULATOR_ROOT=str(venv_emulator),
    )

    assert result.returncode == 0, result.stderr
    assert "the run is the job: True" in result.stdout
    own = sqlite3.connect(tmp_path / "mlflow.db")
    assert own.execute("select count(*) from runs").fetchone() == (0,)
