"""A run on the user's server that the job itself logs to."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.tracking.handle_tags import ERROR, TAG_LENGTH
from mlflow_azureml_backend.tracking.own_run import end_unsubmitted, run_to_end, tie

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobHandle, RunOutcome

_ENDED = ("FINISHED", "FAILED", "KILLED")


class SharedRun:
    """The one run that client and job share.

    Args:
        run_id: The run, already open.
        opened: When this process opened it, by `time.monotonic`, if it did.
    """

    def __init__(self, run_id: str, *, opened: float = -math.inf) -> None:
        self.run_id = run_id
        self._opened = opened
        self._client = MlflowClient()
        self._lock = threading.Lock()
        self._finished = False

    def submitted(self, handle: JobHandle) -> None:
        """Tag the run with all that is needed to find the job again."""
        tie(self._client, self.run_id, handle, opened=self._opened)

    def failed_to_submit(self, reason: str) -> str:
        """End the run FAILED with the reason in a tag; give the reason that was noted first."""
        return end_unsubmitted(self._client, self.run_id, reason)

    def update(self) -> None:
        """Do nothing: the job logs here."""

    def finish(self, outcome: RunOutcome) -> None:
        """End the run as the job ended, if the job did not do so itself.

        Raises:
            TrackingError: The server refused; `attach` tries it again.
        """
        with self._lock:
            if self._finished:
                return
            try:
                run = run_to_end(self._client, self.run_id, outcome.status.value)
                status = run.info.status
                if outcome.error:
                    self._client.set_tag(self.run_id, ERROR, outcome.error[:TAG_LENGTH])
                ended = ended_as(status, outcome.status.to_run_status())
                if ended != status:
                    self._client.set_terminated(self.run_id, ended)
            except MlflowException as error:
                raise TrackingError(
                    f"MLflow run '{self.run_id}' could not be ended: {error.message} The job ended "
                    f"{outcome.status.value}; `mlflow-azureml wait {self.run_id}` tries it again."
                ) from error
            self._finished = True


def ended_as(run_status: str, job_status: str) -> str:
    """Say how a run ends whose job has ended.

    What the job's program said of its run stays, unless the job's end belies it: MLflow's fluent
    API leaves a run FINISHED also where the program failed afterwards.

    Args:
        run_status: The run's status so far.
        job_status: MLflow's word for the job's end.
    """
    if run_status not in _ENDED or job_status == "KILLED":
        return job_status
    return job_status if run_status == "FINISHED" else run_status
