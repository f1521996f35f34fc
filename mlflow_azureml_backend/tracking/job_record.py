"""The job that an MLflow run is of, kept with the run."""

from __future__ import annotations

import logging

from mlflow_azureml_backend.tracking.client import current_client

_logger = logging.getLogger(__name__)

ARTIFACT = "azureml/job.yml"


def log_job(run_id: str, text: str) -> None:
    """Log a job's YAML as an artifact; a store that takes none does not fail the run.

    Args:
        run_id: The run, which exists.
        text: The job as `mlflow-azureml render` shows it, in which no secret is.
    """
    try:
        current_client().log_text(run_id, text, ARTIFACT)
    except Exception as error:  # noqa: BLE001  # each kind of artifact store has its own errors
        _logger.warning("%s could not be logged to run '%s': %s", ARTIFACT, run_id, error)
