"""Run history: a job's status, its log files and the error that only run history knows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import JobDetails, JobStatus
from mlflow_azureml_backend.workspace.failures import without_secrets

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.connection import Connection


def read_details(connection: Connection, job_name: str) -> JobDetails:
    """Take one look at a job.

    Raises:
        WorkspaceError: Run history could not be read; the job goes on.
    """
    url = f"{connection.api}/history/v1.0{connection.ref.arm_id}/runs/{job_name}/details"
    answer = connection.json("GET", url, doing=f"reading the status of job '{job_name}'")
    return JobDetails(
        status=JobStatus(answer.get("status") or JobStatus.UNKNOWN.value),
        log_files=MappingProxyType(dict(answer.get("logFiles") or {})),
        error=error_text(answer.get("error")),
        start_time=answer.get("startTimeUtc"),
        end_time=answer.get("endTimeUtc"),
    )


def error_text(envelope: Any) -> str | None:
    """Give the code and message of a run's error; None of none.

    Args:
        envelope: Run history's `error` of a run.
    """
    error = (envelope or {}).get("error") or {}
    message = error.get("message")
    if not message:
        return None
    code = error.get("code")
    return without_secrets(f"{code}: {message}" if code else str(message))
