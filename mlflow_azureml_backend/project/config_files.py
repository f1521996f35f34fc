"""Read the files that a backend config names, relative to the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config import environment_section
from mlflow_azureml_backend.config.job_file import with_job_file
from mlflow_azureml_backend.errors import ConfigError, EnvironmentSpecError
from mlflow_azureml_backend.project.environment_files import (
    read_conda_content,
    read_conda_file,
    read_yaml_mapping,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.config.environment_schema import EnvironmentConfig
    from mlflow_azureml_backend.config.schema import BackendConfig

# What names and describes an environment in its file, and says nothing of what is in it.
_DESCRIPTION = ("$schema", "name", "version", "description", "tags", "os_type")


def read_job_file(config: BackendConfig, root: Path) -> BackendConfig:
    """Lay the config over the job file that it names, if it names one.

    Args:
        config: The backend config.
        root: The project's folder.

    Raises:
        ConfigError: There is no such file, or it is no command job's.
    """
    if config.job_file is None:
        return config
    file = root / config.job_file
    if not file.is_file():
        raise ConfigError(
            f"Backend config: job_file: there is no {file}. Name a command job's YAML file by its "
            "path in the project."
        )
    try:
        content = dict(read_yaml_mapping(file))
    except EnvironmentSpecError as error:
        raise ConfigError(f"Backend config: job_file: {error}") from error
    if "environment" in content:
        content["environment"] = _from_folder(content["environment"], file.parent)
    return with_job_file(config, content, where=str(file))


def _from_folder(environment: Any, folder: Path) -> Any:
    """Make the paths in a job file's environment absolute: there they start at the file."""
    if isinstance(environment, str):
        path = environment.removeprefix("file:")
        return str(folder / path) if path.endswith((".yml", ".yaml")) else environment
    if not isinstance(environment, dict):
        return environment
    found = dict(environment)
    if isinstance(found.get("conda_file"), str):
        found["conda_file"] = str(folder / found["conda_file"].removeprefix("file:"))
    if isinstance(found.get("build"), dict) and isinstance(found["build"].get("path"), str):
        found["build"] = {**found["build"], "path": str(folder / found["build"]["path"])}
    return {key: value for key, value in found.items() if key not in _DESCRIPTION}


def read_config_files(config: BackendConfig, root: Path) -> BackendConfig:
    """Replace the files named in the config's `environment` by their content.

    Args:
        config: The backend config.
        root: The project's folder.

    Raises:
        ConfigError: An environment's YAML file is not as its schema says.
        EnvironmentSpecError: A file is missing, or is no conda environment.
    """
    environment, base = config.environment, root
    if environment is None:
        return config
    if isinstance(environment, str):
        if environment.startswith("azureml:") or not environment.endswith((".yml", ".yaml")):
            return config
        file = root / environment
        if not file.is_file():
            raise EnvironmentSpecError(
                f"Backend config: environment: there is no {file}. Name an environment's YAML "
                "file by its path in the project, or an environment of the workspace as "
                "'azureml:NAME:VERSION'."
            )
        content = read_yaml_mapping(file)
        environment = environment_section(
            {key: value for key, value in content.items() if key not in _DESCRIPTION},
            where=str(file),
        )
        base = file.parent
    read = _with_content(environment, base, root)
    return config if read is config.environment else config.model_copy(update={"environment": read})


def _with_content(environment: EnvironmentConfig, base: Path, root: Path) -> EnvironmentConfig:
    if isinstance(environment.conda_file, str):
        conda = dict(read_conda_file(base / environment.conda_file, root))
        return environment.model_copy(update={"conda_file": conda})
    if environment.conda_file is not None:
        where = base / "environment.conda_file of the backend config"
        conda = dict(read_conda_content(environment.conda_file, where, root))
        return environment.model_copy(update={"conda_file": conda})
    if environment.build is not None:
        folder = (base / environment.build.path).resolve()
        dockerfile = folder / environment.build.dockerfile_path
        if not dockerfile.is_file():
            raise EnvironmentSpecError(
                f"Backend config: environment.build: there is no {dockerfile}. `path` is the "
                "folder of the build context and `dockerfile_path` the Dockerfile in it."
            )
        build = environment.build.model_copy(update={"path": str(folder)})
        return environment.model_copy(update={"build": build})
    return environment
