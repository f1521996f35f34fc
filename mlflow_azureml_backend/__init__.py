"""Run MLflow Projects on Azure Machine Learning, or offline on its emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_azureml_backend.batch import submit_many
    from mlflow_azureml_backend.diagnosis import doctor
    from mlflow_azureml_backend.follow import LogSelection
    from mlflow_azureml_backend.runs import (
        cancel,
        compare,
        download,
        find_run,
        list_runs,
        logs,
        register,
        show,
        status,
        wait,
    )
    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun, attach
    from mlflow_azureml_backend.workspace_store import set_tracking, tracking_uri

__version__ = "0.1.0"

# Where each public name is defined.
_HOMES = {
    "AzureMLSubmittedRun": "submitted_run",
    "LogSelection": "follow",
    "attach": "submitted_run",
    "cancel": "runs",
    "compare": "runs",
    "doctor": "diagnosis",
    "download": "runs",
    "find_run": "runs",
    "list_runs": "runs",
    "logs": "runs",
    "register": "runs",
    "set_tracking": "workspace_store",
    "show": "runs",
    "status": "runs",
    "submit_many": "batch",
    "tracking_uri": "workspace_store",
    "wait": "runs",
}
__all__ = [
    "AzureMLSubmittedRun",
    "LogSelection",
    "__version__",
    "attach",
    "cancel",
    "compare",
    "doctor",
    "download",
    "find_run",
    "list_runs",
    "logs",
    "register",
    "set_tracking",
    "show",
    "status",
    "submit_many",
    "tracking_uri",
    "wait",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `import mlflow` imports this package."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
