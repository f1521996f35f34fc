"""The MLflow run of a job that has children: the run of the job, and what they add to it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import TrackingError, WorkspaceError
from mlflow_azureml_backend.tracking.child_runs import ChildRuns
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobHandle, RunOutcome, WorkspaceRef
    from mlflow_azureml_backend.tracking.session import TrackingSession
    from mlflow_azureml_backend.tracking.source_run import SourceRun

_logger = logging.getLogger(__name__)


class ChildService(Protocol):
    """The little that the run of such a job needs of the workspace."""

    @property
    def ref(self) -> WorkspaceRef:
        """The workspace's name."""

    def tracked_run(self, job_name: str) -> SourceRun:
        """Give the run that a job logs to."""


class ParentSession:
    """Look at the children of a job while it goes on, and at its end.

    Args:
        session: The run of the job.
        service: The workspace.
        job_name: The job.
    """

    children = "children"
    """What they are called, for people."""

    seconds_between_looks = 2.0

    def __init__(self, session: TrackingSession, service: ChildService, job_name: str) -> None:
        self.run_id = session.run_id
        self._session = session
        self._job_name = job_name
        self._last_look = 0.0
        self._finished = False
        # In the workspace's own store they are child runs already.
        self._mirror = (
            ChildRuns(session.run_id, workspace=service.ref, source=service.tracked_run)
            if isinstance(session, MirroredRun)
            else None
        )

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job."""
        self._session.submitted(handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the run of a job that does not exist; give the reason that was noted first."""
        return self._session.failed_to_submit(reason)

    def update(self) -> None:
        """Look at the children, at most every few seconds; trouble is left for the next time."""
        self._session.update()
        if time.monotonic() - self._last_look < self.seconds_between_looks:
            return
        self._last_look = time.monotonic()
        try:
            self._look()
        except (WorkspaceError, MlflowException, TrackingError) as error:
            _logger.debug("The %s of '%s' wait: %s", self.children, self._job_name, error)

    def finish(self, outcome: RunOutcome) -> None:
        """Look at all children, conclude, and end the run as the job ended."""
        if not self._finished:
            try:
                self._conclude()
            except WorkspaceError as error:
                # The run must end all the same.
                _logger.warning(
                    "The %s of '%s' could not be read; `mlflow-azureml wait %s` tries it again. %s",
                    self.children,
                    self._job_name,
                    self.run_id,
                    error,
                )
            except MlflowException as error:
                raise TrackingError(
                    f"The {self.children} of '{self._job_name}' could not be logged to MLflow run "
                    f"'{self.run_id}': {error.message}"
                ) from error
            self._finished = True
        self._session.finish(outcome)

    def _look(self) -> None:
        """Bring the children up to date."""
        raise NotImplementedError

    def _conclude(self) -> None:
        """Look for the last time, after the job's end."""
        self._look()
