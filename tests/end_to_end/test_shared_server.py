"""The job logs to the user's own MLflow server, to the very run that the client opened."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from tests.tracking_server import PASSWORD, TOKEN, USER, stock_server, tracking_server  # noqa: F401

PROJECT = str(Path(__file__).parent / "projects" / "sharing")
SECRET = {
    "MLFLOW_TRACKING_USERNAME": "${env:MLFLOW_TRACKING_USERNAME}",
    "MLFLOW_TRACKING_PASSWORD": {"value": "${env:MLFLOW_TRACKING_PASSWORD}", "secret": True},
}


@pytest.fixture
def store(tracking_server):  # noqa: F811
    mlflow.set_experiment("/Users/somebody@example.com/shared")
    return tracking_server


def submit(config, ending="completed", **options):
    return mlflow.projects.run(
        PROJECT,
        backend="azureml",
        backend_config={"tracking": "shared", **config},
        experiment_name="/Users/somebody@example.com/shared",
        parameters={"ending": ending},
        **options,
    )


def history(run_id):
    return [
        (point.step, point.value)
        for point in mlflow.MlflowClient().get_metric_history(run_id, "loss")
    ]


@pytest.mark.slow
def test_the_job_logs_to_the_run_on_the_server_behind_a_password(store, config, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    store.wants_basic()

    run = submit({**config, "environment_variables": SECRET})

    out, told = capfd.readouterr()
    assert f"store {store.uri} run {run.run_id}\n" in out
    assert "azureml-mlflow 1." in out
    assert "token of the service: False" in out
    assert "Tracking     shared: as the backend config says" in told
    assert "experiment is 'Users-somebody-example.com-shared'" in told
    found = mlflow.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"ending": "completed", "from_the_job": "yes"}
    assert found.data.tags["colour"] == "blue"
    assert found.data.tags["azureml.job_name"] == run.job_name
    assert history(run.run_id) == [(step, 1 / (step + 1)) for step in range(5)]
    assert mlflow.artifacts.load_text(f"runs:/{run.run_id}/notes/note.txt") == "a note"
    # azureml-mlflow was asked for headers alone.
    assert any("azureml-mlflow/" in agent for agent in store.agents)
    assert run._service.last_metrics(run.job_name) == {}
    assert PASSWORD not in out + told
