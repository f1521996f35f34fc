"""The job's environment, from the project's own or from the backend config's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.schema import EnvironmentConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EnvironmentSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.conda_spec import as_requirement, package_of
from mlflow_azureml_backend.translate.injection import injected_requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

# Azure ML's own base image for CPU training, the one its samples build conda files on.
DEFAULT_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"

_REFERENCE = re.compile(r"^azureml:(//registries/.+|[^/:@]+(:[^/:@]+|@[^/:@]+))$")


def environment_from_config(wanted: EnvironmentConfig | str) -> EnvironmentSpec:
    """Read the backend config's `environment`, which runs as it is: nothing is injected.

    Args:
        wanted: A reference or an inline environment whose conda file has been read.

    Raises:
        ConfigError: The text is no reference to an environment.
    """
    if isinstance(wanted, EnvironmentConfig):
        conda = wanted.conda_file if isinstance(wanted.conda_file, dict) else None
        return EnvironmentSpec(image=wanted.image, conda_file=conda, origin="backend config")
    if not _REFERENCE.match(wanted):
        raise ConfigError(
            f"Backend config: environment: {wanted!r} is no environment; write "
            "'azureml:NAME:VERSION', 'azureml:NAME@latest', 'azureml://registries/…' or "
            '{"image": …, "conda_file": …}.'
        )
    return EnvironmentSpec(reference=wanted, origin="backend config")


def environment_from_project(
    environment: ProjectEnvironment, *, client_python: str, client_mlflow: str
) -> EnvironmentSpec:
    """Turn the project's environment into an image and a conda file, `azureml-mlflow` added.

    Args:
        environment: The project's environment, files read.
        client_python: `major.minor` of this machine's Python, where the project names none.
        client_mlflow: MLflow's version on this machine, where the project names none.

    Raises:
        EnvironmentSpecError: It asks for what a job cannot have.
    """
    if environment.kind is EnvironmentKind.DOCKER:
        # The image is the user's: it must hold azureml-mlflow itself to log to the workspace.
        return EnvironmentSpec(image=environment.image, origin="docker_env")
    if environment.kind is EnvironmentKind.CONDA:
        conda = _with_injection(environment.conda or {}, client_mlflow)
    else:
        python = environment.python or client_python
        added = injected_requirements(
            [f"python=={python}.*", *environment.requirements], client_mlflow=client_mlflow
        )
        conda = {
            "channels": ["conda-forge"],
            "dependencies": [
                f"python={python}",
                "pip",
                {"pip": [*environment.requirements, *added]},
            ],
        }
    origin = environment.file or f"no environment file: Python {client_python} and MLflow as here"
    return EnvironmentSpec(image=DEFAULT_IMAGE, conda_file=conda, origin=origin)


def _with_injection(conda: Mapping[str, Any], client_mlflow: str) -> dict[str, Any]:
    dependencies = list(conda.get("dependencies", []))
    specs = [item for item in dependencies if isinstance(item, str)]
    pip_lines = [line for item in dependencies if isinstance(item, dict) for line in item["pip"]]
    added = injected_requirements(
        [*map(as_requirement, specs), *pip_lines], client_mlflow=client_mlflow
    )
    if not added:
        return dict(conda)
    if "pip" not in map(package_of, specs):
        dependencies.append("pip")
    sections = [item for item in dependencies if isinstance(item, dict)]
    dependencies = [item for item in dependencies if not isinstance(item, dict)]
    merged = [line for section in sections for line in section["pip"]]
    return {**conda, "dependencies": [*dependencies, {"pip": [*merged, *added]}]}
