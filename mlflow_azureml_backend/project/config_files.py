"""Read the files that a backend config names, relative to the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.schema import BackendConfig, EnvironmentConfig
from mlflow_azureml_backend.project.environment_files import read_conda_file

if TYPE_CHECKING:
    from pathlib import Path


def read_config_files(config: BackendConfig, root: Path) -> BackendConfig:
    """Replace the conda file named in the config's `environment` by its content.

    Args:
        config: The backend config.
        root: The project's folder.

    Raises:
        EnvironmentSpecError: The file is missing or no conda environment.
    """
    environment = config.environment
    if not isinstance(environment, EnvironmentConfig) or not isinstance(
        environment.conda_file, str
    ):
        return config
    conda = dict(read_conda_file(root / environment.conda_file, root))
    read = environment.model_copy(update={"conda_file": conda})
    return config.model_copy(update={"environment": read})
