"""Images of this machine: found on its Docker Engine, built, and brought into a registry."""

from mlflow_azureml_backend.workspace.images.preparation import prepare_image

__all__ = ["prepare_image"]
