"""A job that may not answer at once: find it, cancel it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import (
    FollowError,
    NotFoundError,
    QuotaError,
    SubmissionError,
    UnavailableError,
)
from mlflow_azureml_backend.follow import JobService
from mlflow_azureml_backend.tracking.own_run import SECONDS_OF_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.job import JobHandle
    from mlflow_azureml_backend.tracking import TrackingSession

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_CANCELS = 5.0
_SECONDS_OF_CANCELS = 600.0


class JobFinder(Protocol):
    """Where a job may be."""

    def handle(self, job_name: str) -> JobHandle:
        """Look up a job by its name."""


class DownloadedFile(Protocol):
    """What became of one file."""

    @property
    def path(self) -> str:
        """Its path below the run."""

    @property
    def error(self) -> str | None:
        """Why it is not there, or None."""


class RunService(JobService, Protocol):
    """What a submitted run needs of its workspace."""

    def download(
        self, job_name: str, *, paths: Sequence[str] = (), dest: Path
    ) -> Sequence[DownloadedFile]:
        """Bring files of a job's run to a folder; all of them without `paths`."""


def find_job(
    finder: JobFinder,
    handle: JobHandle,
    session: TrackingSession,
    *,
    patience: float = SECONDS_OF_PATIENCE,
) -> JobHandle:
    """Make sure that the job of a run exists; the run may be older than the job.

    A run is tied to its job's name before the job is submitted, and gets the link to its page
    after that. Without the link, nobody knows whether the client lived to submit it.

    Args:
        finder: The job's workspace.
        handle: The job, as the run's tags name it.
        session: The MLflow run; tagged again, or ended as FAILED when there is no job.
        patience: Seconds in which a request arrives that was on its way when its sender died.

    Returns:
        The handle with the link.

    Raises:
        SubmissionError: The job was never submitted.
        NotFoundError: The job is no longer there.
        WorkspaceError: The workspace is out of reach.
    """
    if handle.studio_url:
        return finder.handle(handle.job_name)
    deadline = time.monotonic() + patience
    while True:
        try:
            found = finder.handle(handle.job_name)
        except NotFoundError as error:
            if time.monotonic() > deadline:
                where = f"workspace '{handle.workspace.workspace_name}'"
                reason = session.failed_to_submit(
                    f"The client ended before it had submitted the job to {where}."
                )
                raise SubmissionError(
                    f"Job '{handle.job_name}' of MLflow run '{session.run_id}', which is FAILED, "
                    f"was never submitted: {reason}"
                ) from error
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        else:
            session.submitted(found)
            return found


def request_cancel(service: JobService, job_name: str, display: Display) -> None:
    """Ask for a job's end until the service has heard it.

    Args:
        service: The job's workspace.
        job_name: The job.
        display: Is told once, when the service does not answer.

    Raises:
        FollowError: The service took no cancellation for ten minutes; the job goes on.
        WorkspaceError: The service refuses to cancel the job.
    """
    deadline = time.monotonic() + _SECONDS_OF_CANCELS
    told = False
    while True:
        try:
            service.cancel(job_name)
        except (UnavailableError, QuotaError) as error:
            if time.monotonic() > deadline:
                raise FollowError(
                    f"Job '{job_name}' could not be cancelled and may be running on. {error}"
                ) from error
            if not told:
                display.note(f"The service does not answer; it is asked again. {error}")
                told = True
            time.sleep(_SECONDS_BETWEEN_CANCELS)
        else:
            return
