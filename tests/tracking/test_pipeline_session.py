"""A pipeline's run: every step that has begun is a child run, whoever follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_azureml_backend.job import (
    EnvironmentSpec,
    JobDetails,
    JobHandle,
    JobSpec,
    JobStatus,
    RunOutcome,
    WorkspaceRef,
)
from mlflow_azureml_backend.pipeline import PipelineSpec, StepSpec, StepState
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.pipeline_session import PipelineSession
from mlflow_azureml_backend.tracking.workspace_run import WorkspaceRun

JOB = JobSpec(
    command="x",
    code=Path(),
    environment=EnvironmentSpec(reference="azureml:e:1", origin="x"),
    compute=None,
    experiment_name="e",
)
PIPELINE = PipelineSpec(
    steps={
        "prepare": StepSpec(entry_point="prepare", parameters={"rows": "3"}, job=JOB),
        "fit": StepSpec(entry_point="train", parameters={"rate": "0.5"}, job=JOB),
    }
)
FAILED = RunOutcome(status=JobStatus.FAILED, error="Step 'fit' failed: no")
REF = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
HANDLE = JobHandle(workspace=REF, job_name="pipe", studio_url="https://link")


class Service:
    """A workspace with one pipeline, whose steps log nothing."""

    ref = REF

    def __init__(self, job_run):
        self.steps = ()
        self.job_run = job_run

    def details(self, job_name):
        assert job_name == "pipe"
        return JobDetails(status=JobStatus.RUNNING, steps=self.steps)

    def tracked_run(self, job_name):
        return self.job_run


def state(name, status, error=None):
    return StepState(name=name, job_name=f"{name}_job", status=JobStatus(status), error=error)


@pytest.fixture
def service(job_run):
    return Service(job_run)


def children(client, run_id):
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'")
    return {run.data.tags["mlflow.runName"]: run for run in found}


def test_each_step_that_has_begun_is_a_child_run_and_ends_as_the_step(
    client, run_id, service, job_run
):
    client.set_tag(run_id, "mlflow.source.name", "here")
    session = PipelineSession(MirroredRun(run_id, job_run), service, "pipe", pipeline=PIPELINE)
    session.submitted(HANDLE)
    service.steps = (state("prepare", "Running"), state("fit", "NotStarted"))
    session.update()
    assert list(children(client, run_id)) == ["prepare"]

    # Another process, which knows no more than the run, sees the end.
    later = PipelineSession(MirroredRun(run_id, job_run), service, "pipe")
    service.steps = (state("prepare", "Completed"), state("fit", "Failed", "no"))
    later.finish(FAILED)
    session.finish(FAILED)

    found = children(client, run_id)
    assert {name: run.info.status for name, run in found.items()} == {
        "prepare": "FINISHED",
        "fit": "FAILED",
    }
    assert found["fit"].data.params == {"rate": "0.5"}
    tags = found["fit"].data.tags
    assert tags["mlflow.project.entryPoint"] == "train"
    assert tags["mlflow.source.name"] == "here"
    assert tags["azureml.step"] == "fit"
    assert tags["azureml.job_name"] == "fit_job"
    assert tags["azureml.error"] == "no"
    assert client.get_run(run_id).info.status == "FAILED"


def test_in_the_workspaces_own_store_the_steps_runs_are_described(
    client, run_id, experiment_id, service
):
    [child] = [client.create_run(experiment_id).info.run_id]
    run = WorkspaceRun(run_id, tags={}, parameters={}, wait_until_readable=lambda: None)
    session = PipelineSession(run, service, "pipe", pipeline=PIPELINE)
    session.submitted(HANDLE)
    service.steps = (
        StepState(name="fit", job_name=child, status=JobStatus.RUNNING),
        state("prepare", "Queued"),
        state("without_a_run", "Failed"),
    )

    session.finish(FAILED)

    described = client.get_run(child).data
    assert described.params == {"rate": "0.5"}
    assert described.tags["mlflow.project.entryPoint"] == "train"
