"""What an MLflow run tells of its environment's lock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from mlflow_azureml_backend.locking.environment_lock import LockedEnvironment

_logger = logging.getLogger(__name__)

TAG = "azureml.environment_lock"
ARTIFACT = "azureml/environment.lock.yml"


def lock_tags(locked: LockedEnvironment | None) -> dict[str, str]:
    """Write the lock file's SHA-256 as a run tag.

    Args:
        locked: The locked environment, or None where nothing was locked.
    """
    return {} if locked is None else {TAG: locked.sha256}


def log_lock(run_id: str, locked: LockedEnvironment | None) -> None:
    """Log the exact packages as an artifact; a store that takes none does not fail the run.

    Args:
        run_id: The run, which exists.
        locked: The locked environment, or None where nothing was locked.
    """
    if locked is None:
        return
    try:
        MlflowClient().log_text(run_id, locked.text, ARTIFACT)
    except Exception as error:  # noqa: BLE001  # each kind of artifact store has its own errors
        _logger.warning("%s could not be logged to run '%s': %s", ARTIFACT, run_id, error)
