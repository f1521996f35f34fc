"""How a run stands, as every verb tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import JobStatus
    from mlflow_azureml_backend.runs.reference import FoundRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a run's job stood when it was last looked at.

    Args:
        run_id: The MLflow run in the user's store, or the job's name where it is only in the
            workspace.
        job_name: The Azure ML job.
        status: In the service's spelling; None when no look succeeded.
        error: Why the job failed, or why nothing is heard of it.
        steps: Of a pipeline, the status of each step that has begun, by its name; None of another
            job, or when nobody asked.
    """

    run_id: str
    job_name: str
    status: JobStatus | None
    error: str | None = None
    steps: Mapping[str, JobStatus] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the job can no longer change."""
        return self.status is not None and self.status.is_terminal

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        told: dict[str, Any] = {
            "run_id": self.run_id,
            "job_name": self.job_name,
            "status": None if self.status is None else self.status.value,
            "mlflow_status": None if self.status is None else self.status.to_run_status(),
            "error": self.error,
        }
        if self.steps is not None:
            told["steps"] = {name: status.value for name, status in self.steps.items()}
        return told


def state_of(found: FoundRun, status: JobStatus | None, *, error: str | None = None) -> RunState:
    """Give the state of a found run."""
    return RunState(
        run_id=found.run_id or found.job_name, job_name=found.job_name, status=status, error=error
    )


def as_text(moment: datetime | None) -> str | None:
    """Write a moment for JSON: ISO 8601 in UTC, whole seconds."""
    if moment is None:
        return None
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Give the seconds from one moment to another, never less than 0; None if one is missing."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())
