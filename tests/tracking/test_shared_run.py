"""A run that the job logs to itself ends once, as the job ended."""

import pytest

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, JobStatus, RunOutcome, WorkspaceRef
from mlflow_azureml_backend.tracking.shared_run import SharedRun

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")


@pytest.mark.parametrize(
    ("of_the_job", "said", "in_the_end"),
    [
        ("Completed", None, "FINISHED"),
        ("Completed", "FINISHED", "FINISHED"),
        ("Completed", "FAILED", "FAILED"),
        ("Failed", None, "FAILED"),
        ("Failed", "FINISHED", "FAILED"),
        ("Failed", "KILLED", "KILLED"),
        ("Canceled", None, "KILLED"),
        ("Canceled", "FINISHED", "KILLED"),
        ("Canceled", "FAILED", "KILLED"),
    ],
)
def test_what_the_job_said_of_its_run_stays_unless_its_end_belies_it(
    client, run_id, of_the_job, said, in_the_end
):
    if said:
        client.set_terminated(run_id, said)
    ended_at = client.get_run(run_id).info.end_time

    for _ in range(2):
        outcome = RunOutcome(status=JobStatus(of_the_job), error="no such luck")
        SharedRun(run_id).finish(outcome)

    run = client.get_run(run_id)
    assert run.info.status == in_the_end
    assert run.data.tags["azureml.error"] == "no such luck"
    if said == in_the_end:
        assert run.info.end_time == ended_at


def test_a_deleted_run_is_told_with_what_became_of_the_job(client, run_id):
    client.delete_run(run_id)

    with pytest.raises(TrackingError, match="was deleted; the job ended Completed") as caught:
        SharedRun(run_id).finish(RunOutcome(status=JobStatus("Completed")))

    assert f"mlflow-azureml wait {run_id}" in str(caught.value)
    client.restore_run(run_id)
    SharedRun(run_id).finish(RunOutcome(status=JobStatus("Completed")))
    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_run_without_a_job_is_failed_with_the_reason(client, run_id):
    session = SharedRun(run_id)

    assert session.failed_to_submit("no quota") == "no quota"
    assert session.failed_to_submit("another") == "no quota"
    assert client.get_run(run_id).info.status == "FAILED"
    session.submitted(JobHandle(workspace=WORKSPACE, job_name="job_1"))
    assert client.get_run(run_id).info.status == "RUNNING"
