"""`mlflow.projects.run(…, backend="azureml")`, from Python."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import ExecutionException

import mlflow_azureml_backend

PROJECTS = Path(__file__).parent / "projects"


def submit(project: str, config, **options):
    return mlflow.projects.run(
        str(PROJECTS / project),
        backend="azureml",
        backend_config=config,
        experiment_name="sample",
        **options,
    )


def test_a_synchronous_run_returns_when_the_job_has_completed(config, client, capsys):
    run = submit("training", config, parameters={"alpha": 1})

    assert run.get_status() == "FINISHED"
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert run.outcome.status == "Completed"
    assert "the run is the job: True" in capsys.readouterr().out


def test_a_synchronous_run_raises_when_the_job_fails(config, client):
    with pytest.raises(ExecutionException, match="failed"):
        submit("failing", config)


def test_an_asynchronous_run_is_waited_for(config, client, capsys):
    run = submit("training", config, synchronous=False)

    assert capsys.readouterr().out == ""
    assert run.get_status() in {"SCHEDULED", "RUNNING", "FINISHED"}
    assert run.wait() is True
    assert run.get_status() == "FINISHED"
    assert run.job_status == "Completed"
    assert run.job_name in run.studio_url
    assert "the run is the job: True" in capsys.readouterr().out


def test_a_run_that_nobody_waits_for_is_completed_by_a_look_at_its_status(config, client):
    run = submit("training", config, synchronous=False)
    other = mlflow_azureml_backend.attach(run.run_id)

    other.wait()

    assert run.get_status() == "FINISHED"
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(run.run_id, "loss")) == 5


def test_a_cancelled_run_is_killed_in_both_worlds(config, client):
    run = submit("waiting", config, synchronous=False)

    run.cancel()

    assert run.job_status == "Canceled"
    assert run.get_status() == "KILLED"
    assert client.get_run(run.run_id).info.status == "KILLED"
    assert run.wait() is False


def test_silence_can_be_asked_for(config, client, capfd):
    run = submit("training", {**config, "stream": False})

    assert run.get_status() == "FINISHED"
    assert capfd.readouterr().out == ""


def test_a_run_inside_an_active_run_is_its_child(config, client):
    with mlflow.start_run(experiment_id="1") as parent:
        child = submit("training", config)

    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
