"""Looks at a job through its service, and how long none has succeeded."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import FollowError, NotFoundError, WorkspaceError
from mlflow_azureml_backend.follow.contact import Contact
from mlflow_azureml_backend.timestamps import instant

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import JobDetails

# Run history may learn of a job some seconds after it was submitted.
_UNKNOWN_AFTER = 60.0


class Looks:
    """Look at one job, one request at a time.

    Args:
        service: Where the job is.
        job_name: The job.
        lost_after: Seconds of nothing but failures after which contact counts as lost.
        clock: Tells the seconds that pass.
    """

    def __init__(
        self,
        service: JobService,
        job_name: str,
        *,
        lost_after: float,
        clock: Callable[[], float],
    ) -> None:
        self.details: JobDetails | None = None
        """What the last look that succeeded saw."""
        self.running: Future[JobDetails] | None = None
        self.contact = Contact(clock)
        self.looked_at = float("-inf")
        self._service = service
        self._job_name = job_name
        self._lost_after = lost_after
        self._clock = clock

    @property
    def has_ended(self) -> bool:
        """Whether the job was seen to have ended."""
        return self.details is not None and self.details.status.is_terminal

    def due_after(self, pause: float) -> float:
        """Say when to look again, so many seconds after the last look or when that is no use."""
        return max(self.looked_at + pause, self.contact.try_at)

    def start(self) -> None:
        """Begin to look."""
        self.looked_at = self._clock()
        self.running = begin(self.now)

    def take(self) -> JobDetails | None:
        """Give what a look saw that has been answered, or None.

        Raises:
            FollowError: No look has succeeded for too long.
        """
        if self.running is None or not self.running.done():
            return None
        look, self.running = self.running, None
        try:
            self.details = look.result()
        except WorkspaceError as error:
            self.failed(error)
            return None
        self.contact.heard()
        return self.details

    def now(self) -> JobDetails:
        """Look, and wait for the answer.

        Raises:
            WorkspaceError: The job could not be seen.
        """
        return self._service.details(self._job_name, brief=True)

    def failed(self, error: WorkspaceError) -> None:
        """Note a failure.

        Raises:
            FollowError: No look has succeeded for too long.
        """
        self.contact.failed(error)
        lost = self.contact.lost_for
        never = self.details is None and isinstance(error, NotFoundError)
        if lost > self._lost_after or (never and lost > _UNKNOWN_AFTER):
            raise FollowError(
                f"No contact with job '{self._job_name}' for {lost / 60:.0f} minutes; it may "
                f"still be running. {error}"
            ) from error


def age_of(details: JobDetails) -> float:
    """Tell how many seconds ago a job was submitted, by two clocks that may differ a little."""
    created = instant(details.created_time)
    if created is None:
        return 0.0
    return max(0.0, (datetime.now(timezone.utc) - created).total_seconds())
