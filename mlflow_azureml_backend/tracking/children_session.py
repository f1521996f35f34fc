"""The run of a job that starts runs: mirrored with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import NotFoundError, QuotaError, UnavailableError
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.tracking.mirrored_children import MirroredChildren
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.parent_session import ParentSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import RunOutcome
    from mlflow_azureml_backend.tracking.mirrored_children import RunSource
    from mlflow_azureml_backend.tracking.session import TrackingSession

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


class SessionWithChildren(ParentSession):
    """Mirror the runs that a job starts, while it goes on and at its end.

    Args:
        session: The user's run of the job.
        service: The workspace.
        job_name: The job.
        pause: Waits so many seconds between looks.
    """

    children = "child runs"
    seconds_between_looks = 10.0  # few jobs start runs, and none at once

    def __init__(
        self,
        session: TrackingSession,
        service: RunSource,
        job_name: str,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(session, service, job_name)
        self._children = MirroredChildren(service)
        self._pause = pause
        self._last_look = time.monotonic()
        self._patience = 0.0

    def finish(self, outcome: RunOutcome) -> None:
        """Mirror the children, and end the run as its job ended."""
        # They are cancelled with the job, and need a moment for it.
        self._patience = _SECONDS_TO_END if outcome.status is JobStatus.CANCELED else 0.0
        super().finish(outcome)

    def _look(self) -> None:
        self._children.mirror(self.run_id, self._job_name)

    def _conclude(self) -> None:
        deadline = time.monotonic() + self._patience
        attempts = _ATTEMPTS
        while True:
            try:
                all_ended = self._children.mirror(self.run_id, self._job_name)
            except NotFoundError:
                return  # a job that never started has no run
            except (UnavailableError, QuotaError):
                attempts -= 1
                if not attempts:
                    raise
            else:
                if all_ended or time.monotonic() >= deadline:
                    return
            self._pause(1.0)
