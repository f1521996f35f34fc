"""What a submission needs of the MLflow run, whichever store it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlflow.exceptions import MlflowException
from mlflow.tracking import get_tracking_uri

from mlflow_azureml_backend.answers import Answers
from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.tracking.choice import store_name
from mlflow_azureml_backend.tracking.client import current_client
from mlflow_azureml_backend.tracking.plugin_here import check_plugin_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import JobHandle, RunOutcome

_NAME_SECONDS = 10.0
_names = Answers()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSoFar:
    """What an MLflow run holds now.

    Args:
        params: Key -> value.
        metrics: Key -> last value.
        start_time: Seconds since 1970.
        end_time: The same, or None while the run goes on.
    """

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    start_time: float
    end_time: float | None


class TrackingSession(Protocol):
    """One MLflow run over the life of its job."""

    run_id: str

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job, which exists; afterwards the run can be read in its store."""

    def failed_to_submit(self, reason: str) -> str:
        """End the run of a job that does not exist; give the reason that was noted first."""

    def update(self) -> None:
        """Bring the run up to date with its job, which may still run."""

    def finish(self, outcome: RunOutcome) -> None:
        """End the run as its job ended; calling it again changes nothing."""


def read_run(run_id: str) -> LoggedSoFar:
    """Read an MLflow run in the current tracking store.

    Raises:
        TrackingError: The store does not have it or does not answer.
    """
    try:
        run = current_client().get_run(run_id)
    except MlflowException as error:
        raise TrackingError(f"MLflow run '{run_id}': {error.message}") from error
    return LoggedSoFar(
        params=run.data.params,
        metrics=run.data.metrics,
        start_time=run.info.start_time / 1000,
        end_time=run.info.end_time / 1000 if run.info.end_time else None,
    )


def experiment_name(experiment_id: str) -> str:
    """Look up the experiment that MLflow chose for the run.

    Raises:
        TrackingError: The tracking store does not have it or does not answer, or MLflow cannot
            read a store of its kind.
    """
    uri = get_tracking_uri()
    if uri.startswith("azureml:"):
        check_plugin_here()
    try:
        # A sweep of submissions asks for the same name each time.
        return _names.give(
            (uri, str(experiment_id)),
            lambda: str(current_client().get_experiment(str(experiment_id)).name),
            seconds=_NAME_SECONDS,
        )
    except MlflowException as error:
        raise TrackingError(
            f"MLflow experiment '{experiment_id}': {error.message} Nothing was submitted; MLflow's "
            f"tracking URI is {store_name(uri)}."
        ) from error
