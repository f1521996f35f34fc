"""How azureml-mlflow joins the environment that MLflow makes for a project on this machine."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from mlflow_azureml_backend.local_run.environment import EnvironmentManager
from mlflow_azureml_backend.project import EnvironmentKind
from mlflow_azureml_backend.translate.conda_spec import as_requirement
from mlflow_azureml_backend.translate.environment import ClientVersions, client_mlflow
from mlflow_azureml_backend.translate.injection import plan_injection
from mlflow_azureml_backend.translate.plugin_install import (
    with_plugin_at_start,
    with_plugin_in_environment,
)
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

if TYPE_CHECKING:
    from mlflow_azureml_backend.project import ProjectEnvironment
    from mlflow_azureml_backend.translate.plugin_releases import PluginRelease, PluginReleases


def this_client() -> ClientVersions:
    """Say what this machine runs."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return ClientVersions(python=python, mlflow=metadata.version("mlflow"))


def with_plugin(
    command: str,
    environment: ProjectEnvironment,
    manager: EnvironmentManager,
    versions: ClientVersions,
) -> str:
    """Give a command that adds the plugin to its environment first, unless that has it.

    MLflow keeps an environment for the project's next run, and with it the plugin. A container is
    new each time.

    Args:
        command: The project's command.
        environment: The project's.
        manager: What makes it.
        versions: This machine's Python and MLflow.
    """
    releases = packaged_releases()
    mlflow = client_mlflow(versions, releases)
    if manager is EnvironmentManager.DOCKER:
        return with_plugin_at_start(command, releases.releases[0], mlflow=mlflow)
    release = _release_for(environment, versions, releases)
    if release is None:
        return command
    return with_plugin_in_environment(command, release, mlflow=mlflow)


def _release_for(
    environment: ProjectEnvironment, versions: ClientVersions, releases: PluginReleases
) -> PluginRelease | None:
    """Choose the release that works with what the environment asks for; None if it names one."""
    if environment.kind is EnvironmentKind.CONDA:
        asked = (environment.conda or {}).get("dependencies", [])
        lines = [as_requirement(item) for item in asked if isinstance(item, str)]
        lines += [line for item in asked if isinstance(item, dict) for line in item["pip"]]
    else:
        python = as_requirement(f"python={environment.python or versions.python}")
        lines = [python, *environment.requirements]
    injection = plan_injection(lines, client_mlflow=versions.mlflow, releases=releases)
    if injection.at_start is not None:
        return injection.at_start
    for release in releases.releases:
        if any(line.endswith(f"=={release.version}") for line in injection.requirements):
            return release
    return None
