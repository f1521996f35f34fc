"""Everything that a workspace knows of one job, for who wants to see it at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.job import Artifact, RunSummary
from mlflow_azureml_backend.timestamps import instant
from mlflow_azureml_backend.workspace.jobs import properties_of, read_job
from mlflow_azureml_backend.workspace.run_files import run_files
from mlflow_azureml_backend.workspace.run_history import read_details
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlflow_azureml_backend.job import JobStatus
    from mlflow_azureml_backend.workspace.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """One job, and what it logged and left so far.

    Args:
        compute: The compute's name, or None for serverless.
        created: When it was submitted.
        error: The service's error code and message of a failed job, or None.
        tags: The job's tags.
        summary: Params, last metrics, artifacts with their sizes, URIs of named outputs.
    """

    job_name: str
    display_name: str | None
    experiment_name: str
    status: JobStatus
    compute: str | None
    command: str | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    error: str | None
    studio_url: str | None
    tags: Mapping[str, str]
    summary: RunSummary


def read_facts(connection: Connection, job_name: str) -> JobFacts:
    """Describe a job.

    Raises:
        NotFoundError: There is no such job.
        WorkspaceError: The service refused, or could not be reached.
    """
    resource = read_job(connection, job_name)
    properties = properties_of(resource)
    details = read_details(connection, job_name)
    studio = (properties.get("services") or {}).get("Studio") or {}
    compute = properties.get("computeId")
    return JobFacts(
        job_name=str(resource["name"]),
        display_name=properties.get("displayName"),
        experiment_name=str(properties.get("experimentName") or ""),
        status=details.status,
        compute=str(compute).rpartition("/")[2] if compute else None,
        command=properties.get("command"),
        created=instant((resource.get("systemData") or {}).get("createdAt")),
        started=instant(details.start_time),
        ended=instant(details.end_time),
        error=details.error,
        studio_url=studio.get("endpoint"),
        tags=dict(properties.get("tags") or {}),
        summary=_summary(connection, job_name),
    )


def _summary(connection: Connection, job_name: str) -> RunSummary:
    try:
        data: dict[str, Any] = TrackedRun(connection, job_name).read().get("data", {})
    except NotFoundError:
        return RunSummary()  # not there before the job has begun, and only then
    with run_files(connection, job_name) as files:
        return RunSummary(
            params={item["key"]: str(item.get("value", "")) for item in data.get("params", [])},
            metrics={item["key"]: float(item["value"]) for item in data.get("metrics", [])},
            artifacts=tuple(Artifact(path=file.path, size=file.size) for file in files.artifacts()),
            outputs=files.output_uris(),
        )
