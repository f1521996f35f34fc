"""What a submission needs of the MLflow run, whichever store it lives in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobHandle, RunOutcome


class TrackingSession(Protocol):
    """One MLflow run over the life of its job."""

    run_id: str

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job, which exists; afterwards the run can be read in its store."""

    def failed_to_submit(self, reason: str) -> None:
        """End the run of a job that does not exist."""

    def update(self) -> None:
        """Bring the run up to date with its job, which may still run."""

    def finish(self, outcome: RunOutcome) -> None:
        """End the run as its job ended; calling it again changes nothing."""


def experiment_name(experiment_id: str) -> str:
    """Look up the experiment that MLflow chose for the run.

    Raises:
        TrackingError: The tracking store does not have it or does not answer.
    """
    try:
        return str(MlflowClient().get_experiment(str(experiment_id)).name)
    except MlflowException as error:
        raise TrackingError(f"MLflow experiment '{experiment_id}': {error.message}") from error
