"""A new job: its documents, its run in run history and its MLflow run, made together."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.emulator.resources import USER, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State


def create_job(
    emulation: Emulation,
    engine: JobEngine,
    key: WorkspaceKey,
    name: str,
    job: Mapping[str, Any],
    *,
    parent: str | None = None,
) -> None:
    """Make the job's run, and the job last: whoever sees the job can read its run.

    Args:
        emulation: where it is made.
        engine: what will run it, also after a restart.
        key: the workspace.
        name: the job's name.
        job: the properties of its resource.
        parent: the sweep that it is a trial of.
    """
    now = datetime.now(timezone.utc)
    above = parent or job.get("parentJobName")
    root = above and root_of(emulation.state, key, above)
    lineage = {"mlflow.parentRunId": above, "mlflow.rootRunId": root} if above and root else {}
    experiment = emulation.tracking.create_run(
        key,
        run_id=name,
        experiment_name=job["experimentName"],
        run_name=job["displayName"],
        user=USER,
        tags={**described(job), **lineage},
        start_time_ms=int(now.timestamp() * 1000),
    )
    # A sweep runs from its beginning on: it needs no node.
    running = job["status"] == "Running"
    if running:
        emulation.tracking.set_status(key, name, "RUNNING", None)
    run = {
        "experimentId": experiment,
        "status": job["status"],
        "createdTimeUtc": timestamp(now),
        "startTimeUtc": timestamp(now) if running else None,
        "endTimeUtc": None,
        "error": None,
        "warnings": None,
        "logFiles": [],
        "parentRunId": parent,
        "rootRunId": root or name,
    }
    # Together: an emulator that is killed here leaves no job that nobody runs.
    with emulation.state.together():
        emulation.state.put("run", key.storage_key, name, "", run)
        emulation.state.put("job", key.storage_key, name, "", job)
        engine.enlist(key, name)


def described(job: Mapping[str, Any]) -> dict[str, str]:
    """Give what MLflow shows as tags: the job's own, and its properties in MLflow's name space.

    Args:
        job: the properties of the job.
    """
    named = {name: value for name, value in job["properties"].items() if name.startswith("mlflow.")}
    return {name: str(value or "") for name, value in {**named, **job["tags"]}.items()}


def children(state: State, key: WorkspaceKey, name: str) -> tuple[str, ...]:
    """Name the trials of a sweep, in their order.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        name: the sweep; a job of another type has none.
    """
    found: list[str] = []
    while parent_of(state, key, child := f"{name}_{len(found)}") == name:
        found.append(child)
    return tuple(found)


def nested_jobs(state: State, key: WorkspaceKey, name: str) -> list[str]:
    """Name the jobs that say that they are children of a job, the oldest first.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        name: the job.
    """
    jobs = state.newest("job", key.storage_key)
    return [job.name for job in jobs if job.body.get("parentJobName") == name][::-1]


def root_of(state: State, key: WorkspaceKey, name: str) -> str:
    """Name the job at the top of those that a job is below; itself for a job on its own.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        name: the job, which need not exist.
    """
    run = state.get("run", key.storage_key, name)
    return name if run is None else str(run.body.get("rootRunId") or name)


def parent_of(state: State, key: WorkspaceKey, name: str) -> str | None:
    """Name the sweep that a job is a trial of; None for a job on its own.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        name: the job.
    """
    run = state.get("run", key.storage_key, name)
    return None if run is None else run.body.get("parentRunId")
