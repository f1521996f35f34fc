"""The MLflow run that the user sees: where it lives and what it holds."""

from mlflow_azureml_backend.tracking.children_session import with_children
from mlflow_azureml_backend.tracking.fetched_data import fetch_data
from mlflow_azureml_backend.tracking.handle_tags import handle_of_run
from mlflow_azureml_backend.tracking.job_record import log_job
from mlflow_azureml_backend.tracking.open_run import open_run, reopen_run
from mlflow_azureml_backend.tracking.session import TrackingSession, experiment_name, read_run
from mlflow_azureml_backend.tracking.sweep_session import SweepSession, with_trials

__all__ = [
    "SweepSession",
    "TrackingSession",
    "experiment_name",
    "fetch_data",
    "handle_of_run",
    "log_job",
    "open_run",
    "read_run",
    "reopen_run",
    "with_children",
    "with_trials",
]
