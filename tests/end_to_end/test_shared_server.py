"""The job logs to the user's own MLflow server, to the very run that the client opened."""

from __future__ import annotations

import threading
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

import mlflow_azureml_backend
from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.follow import SilentDisplay
from mlflow_azureml_backend.runs.reference import FoundRun
from mlflow_azureml_backend.runs.verbs import open_run, wait
from tests.tracking_server import PASSWORD, TOKEN, USER, stock_server, tracking_server  # noqa: F401

PROJECT = str(Path(__file__).parent / "projects" / "sharing")
SECRET = {
    "MLFLOW_TRACKING_USERNAME": "${env:MLFLOW_TRACKING_USERNAME}",
    "MLFLOW_TRACKING_PASSWORD": {"value": "${env:MLFLOW_TRACKING_PASSWORD}", "secret": True},
}


@pytest.fixture
def store(tracking_server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")  # MLflow sets it, for child processes
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


def of_the_job_alone(run):
    """Give what follows a job and leaves the run on the server as it is."""
    return open_run(FoundRun(handle=run._handle, run_id=None), display=SilentDisplay())


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


@pytest.mark.campaign
def test_a_job_behind_a_token_logs_to_both_when_it_fails(store, config, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    store.wants_bearer()
    secret = {"value": "${env:MLFLOW_TRACKING_TOKEN}", "secret": True}
    variables = {"MLFLOW_TRACKING_TOKEN": secret}

    run = submit(
        {**config, "tracking": "both", "environment_variables": variables},
        ending="failed",
        synchronous=False,
    )

    assert run.wait() is False
    found = mlflow.get_run(run.run_id)
    # MLflow's fluent API ended it FINISHED.
    assert found.info.status == "FAILED"
    assert len(history(run.run_id)) == 5
    own = run._service.tracked_run(run.job_name)
    assert [(point["step"], point["value"]) for point in own.metric_history("loss")] == history(
        run.run_id
    )
    data = own.read()["data"]
    assert {"key": "from_the_job", "value": "yes"} in data["params"]
    assert {"key": "colour", "value": "blue"} in data["tags"]


@pytest.mark.campaign
def test_a_run_that_nobody_follows_ends_with_its_job(store, config):
    run = submit(config, ending="silent", synchronous=False)

    assert of_the_job_alone(run).wait() is True

    assert mlflow.get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.campaign
def test_a_canceled_job_s_run_is_killed_by_whoever_attaches(store, config):
    logged = threading.Event()
    store.answer = lambda path: logged.set() if "/artifacts/" in path else None
    run = submit(config, ending="endless", synchronous=False)
    assert logged.wait(300)

    of_the_job_alone(run).cancel()
    mlflow_azureml_backend.attach(run.run_id).wait()

    assert mlflow.get_run(run.run_id).info.status == "KILLED"
    assert len(history(run.run_id)) == 5


@pytest.mark.campaign
def test_a_store_that_is_down_at_the_end_gets_the_run_later(store, config):
    run = submit({**config, "tracking": "mirror"}, synchronous=False)
    store.answer = lambda _path: 503

    with pytest.raises(TrackingError, match="The job ended Completed") as caught:
        run.wait()

    assert f"mlflow-azureml wait {run.run_id}" in str(caught.value)
    store.answer = lambda _path: None
    assert mlflow.get_run(run.run_id).info.status == "RUNNING"
    [state] = wait(run.run_id)
    assert state.has_ended
    assert mlflow.get_run(run.run_id).info.status == "FINISHED"
    assert len(history(run.run_id)) == 5


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("refused", "status"), [("experiments/get", 503), ("runs/create", 403), ("log-batch", 403)]
)
def test_a_store_that_refuses_at_submission_gets_no_job(store, config, jobs, refused, status):
    store.answer = lambda path: status if refused in path else None

    with pytest.raises(MlflowException) as caught:
        submit(config)

    assert str(status) in str(caught.value)
    assert jobs() == []
    store.answer = lambda _path: None
    assert mlflow.search_runs(filter_string="attributes.status = 'RUNNING'").empty


@pytest.mark.campaign
@pytest.mark.parametrize("mode", ["shared", "mirror"])
def test_a_run_that_was_deleted_meanwhile_is_told_and_completed_when_restored(store, config, mode):
    client = mlflow.MlflowClient()
    run = submit({**config, "tracking": mode}, ending="silent", synchronous=False)
    client.delete_run(run.run_id)

    with pytest.raises(TrackingError, match="was deleted; the job ended"):
        run.wait()

    client.restore_run(run.run_id)
    mlflow_azureml_backend.attach(run.run_id).wait()
    assert client.get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.campaign
def test_a_client_of_databricks_shares_its_run_with_the_job(store, config, monkeypatch):
    # A stock server behind a bearer token stands for Databricks: the same REST API for runs. Files
    # go to storage of Databricks' own, which it has not.
    store.wants_bearer()
    monkeypatch.setenv("DATABRICKS_HOST", store.uri)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    mlflow.set_tracking_uri("databricks")
    secret = {"value": "${env:DATABRICKS_TOKEN}", "secret": True}

    run = submit(
        {**config, "tracking": "auto", "environment_variables": {"DATABRICKS_TOKEN": secret}},
        ending="without_files",
    )

    found = mlflow.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.tags["azureml.tracking"] == "shared"
    assert found.data.params["from_the_job"] == "yes"
    assert len(history(run.run_id)) == 5
