"""Runs that were submitted before: find them again, follow, list, describe and download them.

The same verbs as on the command line. Every verb takes an MLflow run id of the current tracking
store, the name of an Azure ML job, or `latest`.
"""

from mlflow_azureml_backend.runs.comparison import Comparison, compare
from mlflow_azureml_backend.runs.description import Download, RunDescription
from mlflow_azureml_backend.runs.listing import ListedRun, list_runs
from mlflow_azureml_backend.runs.reference import FoundRun, find_run
from mlflow_azureml_backend.runs.registering import register
from mlflow_azureml_backend.runs.showing import show
from mlflow_azureml_backend.runs.state import RunState
from mlflow_azureml_backend.runs.verbs import (
    cancel,
    download,
    logs,
    open_run,
    status,
    wait,
)

__all__ = [
    "Comparison",
    "Download",
    "FoundRun",
    "ListedRun",
    "RunDescription",
    "RunState",
    "cancel",
    "compare",
    "download",
    "find_run",
    "list_runs",
    "logs",
    "open_run",
    "register",
    "show",
    "status",
    "wait",
]
