"""What happens to the run in the user's own store when its job is, or is not, submitted."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from mlflow.entities import LifecycleStage, RunTag
from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.tracking.handle_tags import FAILURE, TAG_LENGTH, tags_of

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.job import JobHandle

SECONDS_OF_PATIENCE = 5.0
"""So long at least a run has been open when somebody takes it for one that was never submitted."""

_logger = logging.getLogger(__name__)


def tie(client: MlflowClient, run_id: str, handle: JobHandle, *, opened: float = -math.inf) -> None:
    """Tag a run with all that is needed to find its job again.

    A run that somebody took for never submitted, while its submission went on, runs again.

    Args:
        client: Of the store.
        run_id: The run.
        handle: The job.
        opened: When this process opened the run, by `time.monotonic`.

    Raises:
        TrackingError: The store refused.
    """
    try:
        tags = [RunTag(key, value) for key, value in tags_of(handle).items()]
        client.log_batch(run_id, tags=tags)
        if time.monotonic() - opened < SECONDS_OF_PATIENCE:
            return
        if FAILURE in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, FAILURE)
            client.update_run(run_id, status="RUNNING")
    except MlflowException as error:
        raise TrackingError(
            f"Job '{handle.job_name}' was submitted, but MLflow run '{run_id}' could not be tagged "
            f"with it: {error.message}"
        ) from error


def end_unsubmitted(client: MlflowClient, run_id: str, reason: str) -> str:
    """End a run FAILED with the reason in a tag; give the reason that was noted first.

    Args:
        client: Of the store.
        run_id: The run.
        reason: Why there is no job.
    """
    noted = reason[:TAG_LENGTH]
    try:
        run = client.get_run(run_id)
        noted = run.data.tags.get(FAILURE, noted)
        client.set_tag(run_id, FAILURE, noted)
        if run.info.end_time is None:
            client.set_terminated(run_id, "FAILED")
    except MlflowException:
        # The reason itself is on its way to the user; this must not hide it.
        _logger.warning("MLflow run '%s' could not be ended as FAILED.", run_id)
    return noted


def run_to_end(client: MlflowClient, run_id: str, job_status: str) -> Run:
    """Give a run whose job has ended.

    Args:
        client: Of the store.
        run_id: The run.
        job_status: How the job ended, for the message.

    Raises:
        TrackingError: Somebody deleted it meanwhile.
    """
    run = client.get_run(run_id)
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise TrackingError(
            f"MLflow run '{run_id}' was deleted; the job ended {job_status}. Restore the run with "
            f"`mlflow runs restore --run-id {run_id}`, and complete it with "
            f"`mlflow-azureml wait {run_id}`."
        )
    return run
