"""A sweep's run: lines as the trials go on, child runs, and what is written down at the end."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager

import pytest

from mlflow_azureml_backend.errors import NotFoundError, UnavailableError
from mlflow_azureml_backend.job import JobStatus, RunOutcome, WorkspaceRef
from mlflow_azureml_backend.sweep import Objective, SweepState, Trial
from mlflow_azureml_backend.tracking import with_children
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.sweep_session import SweepSession

COMPLETED = RunOutcome(status=JobStatus.COMPLETED)


class Run:
    """The run of a job: no files, and one metric."""

    def __init__(self, *values):
        self._points = [
            {"key": "loss", "value": value, "timestamp": 1_700_000_000_000 + step, "step": step}
            for step, value in enumerate(values)
        ]

    def read(self):
        return {"info": {}, "data": {"metrics": self._points[-1:]}}

    def metric_history(self, key):
        if key != "loss":
            raise NotFoundError("no such metric")
        return self._points

    def metric_pages(self, key, *, start=""):
        assert not start
        yield "", self.metric_history(key)

    @contextmanager
    def files(self):
        yield self

    listed = ()

    def logged_models(self):
        return []


class Service:
    """A workspace with one sweep."""

    ref = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")

    def __init__(self):
        self.state = SweepState(
            objective=Objective(goal="minimize", primary_metric="loss"),
            trials=(),
            best=None,
            names={"learning_rate": "learning-rate"},
        )
        self.runs = {"sweep": Run()}
        self.reachable = True

    def sweep(self, job_name):
        if not self.reachable:
            raise UnavailableError("away")
        return self.state if job_name == "sweep" else None

    def job_type(self, job_name):
        return "Sweep" if job_name == "sweep" else "Command"

    def tracked_run(self, job_name):
        return self.runs[job_name]

    def trials(self, *statuses):
        trials = tuple(
            Trial(job_name=f"sweep_{n}", status=status, values={"learning_rate": str(n / 10)})
            for n, status in enumerate(statuses)
        )
        self.state = dataclasses.replace(self.state, trials=trials)


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def told():
    return []


@pytest.fixture
def session(service, run_id, told):
    return SweepSession(MirroredRun(run_id, Run()), service, "sweep", tell=told.append)


def test_a_trial_is_told_when_it_runs_and_when_it_has_ended(session, service, told):
    service.runs |= {"sweep_0": Run(0.5, 0.25, 0.75)}
    for status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED):
        service.trials(status)
        session._last_look = 0.0
        session.update()

    assert told == [
        "Trial 0    Running       learning-rate=0",
        "Trial 0    Completed     loss=0.25  learning-rate=0",
    ]


def test_the_best_trial_is_written_down_and_every_trial_is_a_child(
    session, service, client, run_id, told
):
    service.runs |= {"sweep_0": Run(0.5), "sweep_1": Run(0.25), "sweep_2": Run()}
    service.trials(JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.FAILED)

    session.finish(COMPLETED)
    session.finish(COMPLETED)

    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["azureml.best_trial"] == "sweep_1"
    assert run.data.tags["azureml.best_trial.learning-rate"] == "0.1"
    assert run.data.metrics == {"loss": 0.25}
    children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    found = {child.data.tags["azureml.job_name"]: child for child in children}
    assert {name: child.info.status for name, child in found.items()} == {
        "sweep_0": "FINISHED",
        "sweep_1": "KILLED",
        "sweep_2": "FAILED",
    }
    assert found["sweep_1"].data.params == {"learning-rate": "0.1"}
    assert {file.path for file in client.list_artifacts(run_id, "sweep")} == {
        "sweep/trials.svg",
        "sweep/trials.txt",
    }
    assert [line for line in told if line.startswith("*")] == ["*  1      Canceled   0.25  0.1"]


def test_trials_that_cannot_be_read_do_not_keep_the_run_from_ending(
    session, service, client, run_id
):
    service.reachable = False

    session.update()
    session.finish(COMPLETED)

    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_deleted_child_and_a_store_without_artifacts_do_not_keep_a_sweep_from_ending(
    service, client, told, tmp_path, caplog
):
    (tmp_path / "share").write_text("not mounted", encoding="utf-8")
    place = (tmp_path / "share").as_uri()
    experiment = client.create_experiment(str(tmp_path), artifact_location=place)
    run_id = client.create_run(experiment).info.run_id
    session = SweepSession(MirroredRun(run_id, Run()), service, "sweep", tell=told.append)
    service.runs |= {"sweep_0": Run(0.5), "sweep_1": Run(0.25)}
    service.trials(JobStatus.RUNNING, JobStatus.COMPLETED)
    session.update()
    [running] = client.search_runs([experiment], "tags.`azureml.job_name` = 'sweep_0'")
    client.delete_run(running.info.run_id)
    service.trials(JobStatus.COMPLETED, JobStatus.COMPLETED)

    session.finish(COMPLETED)

    assert client.get_run(run_id).info.status == "FINISHED"
    assert "Child 'sweep_0' is not mirrored" in caplog.text
    assert str(tmp_path / "share") in caplog.text


def test_a_metric_that_no_trial_has_logged_leaves_a_table_and_no_best(
    session, service, client, run_id
):
    service.state = dataclasses.replace(
        service.state, objective=Objective(goal="minimize", primary_metric="typo")
    )
    service.runs |= {"sweep_0": Run(0.5)}
    service.trials(JobStatus.COMPLETED)

    session.finish(COMPLETED)

    assert "azureml.best_trial" not in client.get_run(run_id).data.tags
    assert [file.path for file in client.list_artifacts(run_id, "sweep")] == ["sweep/trials.txt"]


def test_the_run_of_another_job_is_no_sweep(service, run_id):
    session = with_children(MirroredRun(run_id, Run()), service, "job", tell=print)

    assert session.run_id == run_id
    assert not isinstance(session, SweepSession)
