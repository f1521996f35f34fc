"""A run that lives in the workspace: its id is the job's name and the job itself logs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.tracking.handle_tags import tags_of
from mlflow_azureml_backend.tracking.lock_record import log_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.job import JobHandle, RunOutcome
    from mlflow_azureml_backend.locking.environment_lock import LockedEnvironment


class WorkspaceRun:
    """The run of a job when MLflow's tracking URI is the workspace's own.

    The service opens the run with the job and ends it with the job.

    Args:
        job_name: Becomes the run's id.
        tags: Set once the run exists.
        parameters: Logged once the run exists.
        wait_until_readable: Returns once the workspace has the run.
        locked: Logged once the run exists.
    """

    def __init__(
        self,
        job_name: str,
        *,
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
        wait_until_readable: Callable[[], None],
        locked: LockedEnvironment | None = None,
    ) -> None:
        self.run_id = job_name
        self._tags = tags
        self._parameters = parameters
        self._wait_until_readable = wait_until_readable
        self._locked = locked

    def submitted(self, handle: JobHandle) -> None:
        """Wait for the run, then tag it: MLflow's own tags come right after."""
        self._wait_until_readable()
        tags = {**self._tags, **tags_of(handle)}
        try:
            MlflowClient().log_batch(
                self.run_id,
                params=[Param(key, value) for key, value in self._parameters.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
        except MlflowException as error:
            raise TrackingError(
                f"Job '{self.run_id}' was submitted, but its MLflow run could not be tagged: "
                f"{error.message}"
            ) from error
        log_lock(self.run_id, self._locked)

    def failed_to_submit(self, reason: str) -> str:
        """Do nothing: without a job there is no run."""
        return reason

    def update(self) -> None:
        """Do nothing: the job logs here."""

    def finish(self, outcome: RunOutcome) -> None:
        """Do nothing: the service ends the run."""
