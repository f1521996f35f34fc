"""The only room that talks to Azure ML, its blobs and its run history."""

from mlflow_azureml_backend.workspace.access import Workspace, connect
from mlflow_azureml_backend.workspace.ahead import look_ahead

__all__ = ["Workspace", "connect", "look_ahead"]
