"""Run MLflow Projects on Azure Machine Learning, or offline on its emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_azureml_backend.attach import attach
    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun

__version__ = "0.1.0"
__all__ = ["AzureMLSubmittedRun", "__version__", "attach"]

_HOME = {
    "AzureMLSubmittedRun": "mlflow_azureml_backend.submitted_run",
    "attach": "mlflow_azureml_backend.attach",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `import mlflow` imports this package."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
