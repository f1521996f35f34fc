"""What an MLflow store holds of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """One run as a store, or a workspace, has it.

    Args:
        run_id: The run; a job's name in a workspace.
        status: MLflow's run status, as it was last written.
        link: Link to its page, or None.
    """

    run_id: str
    name: str | None
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    link: str | None = None


def run_data(run_id: str, *, tracking_uri: str | None = None) -> RunData | None:
    """Read a run; None where the store has none of this id.

    Args:
        run_id: The run.
        tracking_uri: Its store; None: the current one.

    Raises:
        TrackingError: The store does not answer.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient, get_tracking_uri

    store = tracking_uri or str(get_tracking_uri())
    try:
        run = MlflowClient(tracking_uri=store).get_run(run_id)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        raise TrackingError(f"MLflow run '{run_id}' cannot be read: {error.message}") from error
    is_server = store.startswith(("http://", "https://"))
    page = f"{store.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run_id}"
    return RunData(
        run_id=run_id,
        name=run.data.tags.get("mlflow.runName"),
        status=run.info.status,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        link=page if is_server else None,
    )
