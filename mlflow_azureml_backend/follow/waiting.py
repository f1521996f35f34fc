"""Why a job has not started, as far as the service tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.selection import IMAGE_BUILD
from mlflow_azureml_backend.job import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import ComputeState, JobDetails

_QUOTA_WORDS = ("quota", "cores", "allocation failed", "capacity", "skunotavailable")
_BEFORE_THE_QUEUE = frozenset(
    {JobStatus.NOT_STARTED, JobStatus.STARTING, JobStatus.PROVISIONING, JobStatus.PREPARING}
)


def waiting_for(details: JobDetails, compute: ComputeState | None) -> str | None:
    """Say why a job waits, or None when it does not or nothing is known.

    Args:
        details: The last look at the job.
        compute: What its compute is doing, where that was asked.
    """
    status = details.status
    if status.has_started or status is JobStatus.CANCEL_REQUESTED:
        return None
    reason = None
    if status in _BEFORE_THE_QUEUE and IMAGE_BUILD in details.log_files:
        reason = "the environment's image is being built"
    elif status is JobStatus.PREPARING:
        reason = "the environment is being prepared"
    elif compute is not None:
        reason = _of_cluster(details, compute)
    elif details.cluster:
        reason = _of_tag(details)
    elif details.compute is None and status is JobStatus.QUEUED:
        reason = "serverless compute is being allocated"
    return reason


def _of_cluster(details: JobDetails, compute: ComputeState) -> str:
    return f"cluster {compute.name} {_cannot(details, compute) or _does(details, compute)}"


def _cannot(details: JobDetails, compute: ComputeState) -> str | None:
    """Say why the cluster will never run the job, as it is now."""
    most = compute.most_nodes
    if compute.errors:
        reason = compute.errors[0].rstrip(".")
        return f"{'has no quota' if _speaks_of_quota(reason) else 'cannot grow'}: {reason}"
    if most == 0:
        return "may have no nodes: raise its maximum"
    if most is not None and details.nodes > most:
        return f"has at most {most} nodes, and the job wants {details.nodes}"
    return None


def _does(details: JobDetails, compute: ComputeState) -> str:
    """Say what the cluster is doing on the way to the job."""
    nodes, most, present = compute.nodes, compute.most_nodes, _counted(compute.nodes)
    if nodes.get("unusable"):
        doing = f"has unusable nodes ({present})"
    elif nodes.get("idle", 0) >= details.nodes:
        doing = f"is about to start it ({present})"
    elif nodes.get("preparing"):
        doing = f"is starting nodes ({present})"
    elif most is not None and nodes.get("running", 0) + nodes.get("leaving", 0) >= most:
        doing = f"is at its maximum of {most} nodes ({present})"
    elif (compute.allocation or "").lower() == "resizing":
        doing = f"is allocating nodes ({present})"
    else:
        doing = f"has no free node yet ({present} of at most {most or '?'})"
    return doing


def _of_tag(details: JobDetails) -> str:
    state = details.cluster
    counts = {
        kind: int(state.get(f"{kind.capitalize()}NodeCount") or 0)
        for kind in ("preparing", "running")
    }
    doing = str(state.get("AllocationState") or "").lower()
    verb = "is allocating nodes" if doing == "resizing" else "has no node for it yet"
    return f"cluster {details.compute or ''} {verb} ({_counted(counts)})".replace("  ", " ")


def _counted(nodes: Mapping[str, int]) -> str:
    parts = [f"{count} {state}" for state, count in nodes.items() if count]
    return ", ".join(parts) or "no nodes"


def _speaks_of_quota(text: str) -> bool:
    return any(word in text.lower() for word in _QUOTA_WORDS)
