"""The runs that a job has started are child runs in the user's own store, each of them once."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from mlflow_azureml_backend.errors import NotFoundError, UnavailableError
from mlflow_azureml_backend.job import JobStatus, RunOutcome, WorkspaceRef
from mlflow_azureml_backend.tracking.children_session import (
    SessionWithChildren,
    with_nested_runs,
)
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

COMPLETED = RunOutcome(status=JobStatus.COMPLETED)


class Run:
    """A run of the workspace: parameters, tags and child runs."""

    def __init__(self, name, status="RUNNING", **tags):
        self.name = name
        self.status = status
        self.tags = tags
        self.runs = []
        self.error = None

    def document(self):
        tags = {"mlflow.runName": self.name, **self.tags}
        return {
            "info": {"run_id": self.name, "status": self.status, "start_time": 1_700_000_000_000},
            "data": {
                "params": [{"key": "name", "value": self.name}],
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
        }

    def read(self):
        return self.document()

    def children(self, *, brief=False):
        if self.error is not None:
            raise self.error
        return iter([run.document() for run in self.runs])

    @contextmanager
    def files(self):
        yield self

    listed = ()

    def logged_models(self):
        return []


class Service:
    ref = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")

    def __init__(self):
        self.runs = {}

    def add(self, name, parent=None, *args, **tags):
        self.runs[name] = Run(name, *args, **tags)
        if parent:
            self.runs[parent].runs.append(self.runs[name])

    def tracked_run(self, name):
        return self.runs[name]


@pytest.fixture
def service():
    made = Service()
    made.add("job")
    return made


@pytest.fixture
def finish(service, run_id):
    """Follow the job to its end in a process of its own."""

    def finished():
        session = with_nested_runs(MirroredRun(run_id, service.runs["job"]), service, "job")
        session.finish(COMPLETED)

    return finished


@pytest.fixture
def below(client, experiment_id):
    def found(run_id):
        runs = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
        return {run.data.params["name"]: run for run in runs}

    return found


def test_children_and_theirs_are_child_runs(service, finish, below, run_id):
    job = {"azureml.job_name": "step", "mlflow.project.entryPoint": "train", "colour": "blue"}
    service.add("step", "job", "FAILED", **job)
    service.add("inner", "step", "FINISHED", **{"mlflow.parentRunId": "step"})

    finish()

    [step] = below(run_id).values()
    assert step.info.status == "FAILED"
    assert step.data.tags["mlflow.project.entryPoint"] == "train"
    assert step.data.tags["mlflow.runName"] == "step"
    assert step.data.tags["colour"] == "blue"
    # Its own log can be read by its run; what is no job has none.
    assert step.data.tags["azureml.job_name"] == "step"
    [inner] = below(step.info.run_id).values()
    assert inner.info.status == "FINISHED"
    assert "azureml.job_name" not in inner.data.tags


def test_another_process_goes_on_with_the_same_runs(service, finish, below, run_id):
    service.add("step", "job")
    finish()
    first = below(run_id)["step"]
    assert first.info.status == "RUNNING"

    # A job is tagged a moment after it has begun.
    service.runs["step"].tags["mlflow.project.entryPoint"] = "train"
    service.runs["step"].status = "FINISHED"
    finish()
    finish()

    [again] = below(run_id).values()
    assert again.info.run_id == first.info.run_id
    assert again.info.status == "FINISHED"
    assert again.data.tags["mlflow.project.entryPoint"] == "train"


@pytest.mark.parametrize(
    ("error", "pauses"), [(NotFoundError("no run"), 0), (UnavailableError("away"), 2)]
)
def test_a_run_ends_also_where_its_children_cannot_be_read(service, client, run_id, error, pauses):
    service.runs["job"].error = error
    paused = []
    run = MirroredRun(run_id, service.runs["job"])
    session = SessionWithChildren(run, service, "job", pause=paused.append)
    session.finish(COMPLETED)
    session.finish(COMPLETED)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert len(paused) == pauses


def test_trouble_that_passes_loses_no_child(service, below, run_id):
    service.add("step", "job", "FINISHED")
    service.runs["job"].error = UnavailableError("away")

    def passes(_):
        service.runs["job"].error = None

    run = MirroredRun(run_id, service.runs["job"])
    SessionWithChildren(run, service, "job", pause=passes).finish(COMPLETED)
    assert below(run_id)["step"].info.status == "FINISHED"


def test_children_that_are_cancelled_with_their_job_are_waited_for(service, below, run_id):
    service.add("step", "job", **{"azureml.job_name": "step"})
    service.add("left open", "job")

    def ends(_):
        service.runs["step"].status = "KILLED"

    run = MirroredRun(run_id, service.runs["job"])
    session = SessionWithChildren(run, service, "job", pause=ends)
    session.finish(RunOutcome(status=JobStatus.CANCELED))
    found = below(run_id)
    assert found["step"].info.status == "KILLED"
    assert found["left open"].info.status == "RUNNING"


def test_in_the_workspace_s_own_store_there_is_nothing_to_mirror(service):
    session = object()
    assert with_nested_runs(session, service, "job") is session
