"""Runs that start runs: what a job hands down, and what a run is told by the job that starts it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.inheritance import VARIABLE
from mlflow_azureml_backend.project.spec import GitSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.config.inheritance import Inheritance
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.project import ProjectSpec

_PACKAGE = "mlflow-azureml-backend"
_THIS_JOB = "AZUREML_RUN_ID"


def own_requirement() -> str | None:
    """Give the pip requirement of this package, or None where it was installed from no index."""
    try:
        package = metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError:  # run from a folder
        return None
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    if not origin:
        return f"{_PACKAGE}=={package.version}"
    repository = origin.get("vcs_info")
    if repository is None:  # a folder or a file of this machine
        return None
    return f"{_PACKAGE} @ {repository['vcs']}+{origin['url']}@{repository['commit_id']}"


def below_this_job(config: BackendConfig, environ: Mapping[str, str]) -> BackendConfig:
    """Make a run the child of the job that this process is in, unless the config names another.

    Args:
        config: The run's backend config.
        environ: This process's variables.
    """
    job = environ.get(_THIS_JOB)
    elsewhere = config.workspace is not None or "parent_job_name" in config.model_fields_set
    # Azure ML takes no sweep or pipeline for a child job; in MLflow its run is a child anyway.
    if not job or elsewhere or config.sweep is not None or config.steps is not None:
        return config
    return config.model_copy(update={"parent_job_name": job})


def with_commit_of_job(project: ProjectSpec, parent: Inheritance | None) -> ProjectSpec:
    """Say which commit a project is that came with the job: its snapshot holds no repository.

    Args:
        project: The project.
        parent: What the job of this process hands down, or None.
    """
    is_of_job = not project.is_fetched and project.root.is_relative_to(Path.cwd())
    if parent is None or not parent.git or project.git is not None or not is_of_job:
        return project
    return replace(project, git=GitSource(**parent.git))


def handing_down(spec: JobSpec, down: Inheritance | None) -> JobSpec:
    """Give the job the variable that holds what it hands down.

    Args:
        spec: The job; an image that this machine's Docker Engine made for it is handed down too,
            so that the runs it starts need no engine.
        down: What it hands down, or None.

    Raises:
        ConfigError: It is too much for a variable.
    """
    if down is None:
        return spec
    environment = spec.environment
    if environment.local is not None and environment.image is not None:
        config = {key: value for key, value in down.config.items() if key != "image"}
        config["environment"] = {"image": environment.image}
        if environment.local.layer is not None:
            config["inject"] = "never"  # the plugin is in the image
        left_out = {key: why for key, why in down.left_out.items() if key not in config}
        left_out.pop("image", None)
        down = replace(down, config=MappingProxyType(config), left_out=MappingProxyType(left_out))
    variables = {**spec.environment_variables, VARIABLE: down.as_text()}
    return replace(spec, environment_variables=MappingProxyType(variables))
