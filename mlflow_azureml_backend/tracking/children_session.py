"""The run of a job that starts runs: mirrored with them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import (
    NotFoundError,
    QuotaError,
    TrackingError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.tracking.mirrored_children import MirroredChildren
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import JobHandle, RunOutcome
    from mlflow_azureml_backend.tracking.mirrored_children import RunSource
    from mlflow_azureml_backend.tracking.session import TrackingSession

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_TO_END = 30.0
_ATTEMPTS = 3


def with_nested_runs(
    session: TrackingSession, service: RunSource, job_name: str
) -> TrackingSession:
    """Give the session of a job with the runs that the job starts.

    In the workspace's own store they are child runs already.

    Args:
        session: The run of the job.
        service: The workspace.
        job_name: The job.
    """
    if not isinstance(session, MirroredRun):
        return session
    return SessionWithChildren(session, service, job_name)


class SessionWithChildren:
    """Mirror the runs that a job starts, while it goes on and at its end.

    Args:
        session: The user's run of the job.
        service: The workspace.
        job_name: The job.
        pause: Waits so many seconds between looks.
    """

    def __init__(
        self,
        session: MirroredRun,
        service: RunSource,
        job_name: str,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run_id = session.run_id
        self._session = session
        self._job_name = job_name
        self._children = MirroredChildren(service)
        self._pause = pause
        self._finished = False
        self._last_look = time.monotonic()

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job."""
        self._session.submitted(handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the run of a job that does not exist; give the reason that was noted first."""
        return self._session.failed_to_submit(reason)

    def update(self) -> None:
        """Look at the children, at most every few seconds; trouble is left for the next time."""
        self._session.update()
        if time.monotonic() - self._last_look < _SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = time.monotonic()
        try:
            self._children.mirror(self.run_id, self._job_name)
        except (WorkspaceError, MlflowException, TrackingError) as error:
            _logger.debug("The child runs of '%s' wait: %s", self._job_name, error)

    def finish(self, outcome: RunOutcome) -> None:
        """Mirror the children, then end the run as its job ended."""
        if not self._finished:
            self._finish_children(outcome)
        self._session.finish(outcome)
        self._finished = True

    def _finish_children(self, outcome: RunOutcome) -> None:
        # They are cancelled with the job, and need a moment for it.
        patience = _SECONDS_TO_END if outcome.status is JobStatus.CANCELED else 0.0
        deadline = time.monotonic() + patience
        attempts = _ATTEMPTS
        while True:
            try:
                if self._children.mirror(self.run_id, self._job_name):
                    return
            except NotFoundError:
                return  # a job that never started has no run
            except WorkspaceError as error:
                attempts -= 1
                if not attempts or not isinstance(error, (UnavailableError, QuotaError)):
                    # The run must end all the same.
                    _logger.warning(
                        "The child runs of '%s' could not be mirrored; `mlflow-azureml wait %s` "
                        "tries it again. %s",
                        self._job_name,
                        self.run_id,
                        error,
                    )
                    return
            except MlflowException as error:
                raise TrackingError(
                    f"The child runs of '{self._job_name}' could not be logged below MLflow run "
                    f"'{self.run_id}': {error.message}"
                ) from error
            else:
                if time.monotonic() >= deadline:
                    return
            self._pause(1.0)
