"""Run MLflow Projects on Azure Machine Learning, or offline on its emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun, attach

__version__ = "0.1.0"
__all__ = ["AzureMLSubmittedRun", "__version__", "attach"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `import mlflow` imports this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("mlflow_azureml_backend.submitted_run"), name)
