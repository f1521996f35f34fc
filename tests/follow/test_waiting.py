"""Why a job waits is told in the service's own facts."""

import pytest

from mlflow_azureml_backend.follow.phases import Phases
from mlflow_azureml_backend.follow.selection import IMAGE_BUILD
from mlflow_azureml_backend.follow.waiting import waiting_for
from mlflow_azureml_backend.job import ComputeState, JobDetails, JobStatus

TAG = {"AllocationState": "resizing", "PreparingNodeCount": 2, "RunningNodeCount": 0}


def cluster(most=4, allocation="Steady", errors=(), **nodes):
    return ComputeState(
        name="cpu", most_nodes=most, nodes=nodes, allocation=allocation, errors=errors
    )


@pytest.mark.parametrize(
    ("status", "details", "compute", "reason"),
    [
        ("Running", {}, cluster(), None),
        ("CancelRequested", {}, cluster(), None),
        ("Preparing", {}, None, "the environment is being prepared"),
        (
            "Preparing",
            {"log_files": {IMAGE_BUILD: "url"}},
            None,
            "the environment's image is being built",
        ),
        ("Queued", {}, None, "serverless compute is being allocated"),
        (
            "Queued",
            {"compute": "cpu", "cluster": TAG},
            None,
            "cluster cpu is allocating nodes (2 preparing)",
        ),
        (
            "Queued",
            {"compute": "cpu"},
            cluster(running=4),
            "cluster cpu is at its maximum of 4 nodes (4 running)",
        ),
        (
            "Queued",
            {"compute": "cpu"},
            cluster(running=1, preparing=1),
            "cluster cpu is starting nodes (1 running, 1 preparing)",
        ),
        (
            "Queued",
            {"compute": "cpu"},
            cluster(allocation="Resizing"),
            "cluster cpu is allocating nodes (no nodes)",
        ),
        (
            "Queued",
            {"compute": "cpu", "nodes": 8},
            cluster(),
            "cluster cpu has at most 4 nodes, and the job wants 8",
        ),
        ("Queued", {"compute": "cpu"}, cluster(most=0), "cluster cpu may have no nodes: raise"),
        (
            "Queued",
            {"compute": "cpu"},
            cluster(errors=("The requested size exceeds the quota of 24 cores.",)),
            "cluster cpu has no quota: The requested size exceeds the quota of 24 cores",
        ),
        (
            "Queued",
            {"compute": "cpu"},
            cluster(idle=1),
            "cluster cpu is about to start it (1 idle)",
        ),
    ],
)
def test_a_wait_has_a_reason(status, details, compute, reason):
    told = waiting_for(JobDetails(status=JobStatus(status), **details), compute)
    assert told == reason if reason is None else told.startswith(reason)


TIMES = {
    "created_time": "2026-01-01T00:00:00Z",
    "start_time": "2026-01-01T00:01:00Z",
    "end_time": "2026-01-01T00:03:00Z",
}


def test_phases_that_were_seen_are_told_and_the_others_by_the_service():
    ended = JobDetails(status=JobStatus.COMPLETED, **TIMES)
    late, early = Phases(), Phases()
    late.see(JobStatus.RUNNING, 0.0)
    for status, moment in (("Preparing", 0.0), ("Queued", 20.0), ("Running", 60.0)):
        early.see(JobStatus(status), moment)
    assert late.durations(ended) == {"waiting": 60.0, "running": 120.0}
    assert early.durations(ended) == {"Preparing": 20.0, "Queued": 40.0, "running": 120.0}
