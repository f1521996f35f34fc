"""What the user asked for: the backend config and the workspace it names."""

from mlflow_azureml_backend.config.location import locate_workspace
from mlflow_azureml_backend.config.reader import (
    MLflowOptions,
    environment_section,
    read_backend_config,
)
from mlflow_azureml_backend.config.schema import BackendConfig

__all__ = [
    "BackendConfig",
    "MLflowOptions",
    "environment_section",
    "locate_workspace",
    "read_backend_config",
]
