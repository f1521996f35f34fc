"""What the project says: MLproject files in, a frozen `ProjectSpec` out."""

from mlflow_azureml_backend.project.spec import (
    EntryPoint,
    EnvironmentKind,
    GitSource,
    LocalData,
    Parameter,
    ProjectEnvironment,
    ProjectSpec,
)

__all__ = [
    "EntryPoint",
    "EnvironmentKind",
    "GitSource",
    "LocalData",
    "Parameter",
    "ProjectEnvironment",
    "ProjectSpec",
]
