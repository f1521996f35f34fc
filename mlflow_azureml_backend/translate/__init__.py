"""From what the user wrote to what Azure ML will get: pure functions, no I/O."""

from mlflow_azureml_backend.translate.environment import ClientVersions
from mlflow_azureml_backend.translate.job import translate

__all__ = ["ClientVersions", "translate"]
