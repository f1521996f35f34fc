"""The whole translation: project and config in, `JobSpec` out."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.job import EMPTY, JobSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.command import render_command
from mlflow_azureml_backend.translate.conda_spec import in_order
from mlflow_azureml_backend.translate.docker_arguments import resources_from_docker_args
from mlflow_azureml_backend.translate.environment import client_mlflow, plan_environment
from mlflow_azureml_backend.translate.plugin_install import with_plugin_at_start
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases
from mlflow_azureml_backend.translate.sweep import (
    name_property,
    placeholders,
    plan_sweep,
    without_swept,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.job import EnvironmentSpec
    from mlflow_azureml_backend.project import GitSource, ProjectSpec
    from mlflow_azureml_backend.translate.environment import ClientVersions

_NO_ENVIRONMENT = ProjectEnvironment(kind=EnvironmentKind.NONE)


def translate(
    project: ProjectSpec,
    config: BackendConfig,
    *,
    experiment_name: str,
    run_name: str | None,
    versions: ClientVersions,
    use_project_environment: bool = True,
    docker_args: Mapping[str, str | bool] = EMPTY,
) -> JobSpec:
    """Say what Azure ML will get for one run.

    Args:
        project: The entry point to run and the user's values.
        config: The backend config, files it names already read.
        experiment_name: Name of the MLflow experiment of the run; the config's goes first.
        run_name: The name given with `--run-name`; the config's `display_name` goes first.
        versions: This machine's Python and MLflow.
        use_project_environment: False for MLflow's `--env-manager local`.
        docker_args: MLflow's `--docker-args`: name and value, or True for a flag.

    Raises:
        ProjectError: A value does not fit its parameter.
        EnvironmentSpecError: The environment cannot work.
        ConfigError: The config's environment is no environment.
    """
    releases = packaged_releases()
    own = project.environment if use_project_environment else _NO_ENVIRONMENT
    environment = plan_environment(
        own, config, versions=versions, releases=releases, root=project.root
    )
    sweep = None
    if config.sweep is not None:
        sweep = plan_sweep(config.sweep, project.entry_point, project.parameters)
    varied = placeholders(sweep) if sweep else {}
    command = render_command(without_swept(project.entry_point, varied), project.parameters, varied)
    if environment.at_start is not None:
        command = with_plugin_at_start(
            command, environment.at_start, mlflow=client_mlflow(versions, releases)
        )
    return JobSpec(
        command=command,
        code=project.root,
        environment=_in_order(environment.spec),
        compute=config.compute,
        resources=resources_from_docker_args(docker_args),
        experiment_name=config.experiment_name or experiment_name,
        display_name=config.display_name or run_name,
        description=config.description,
        environment_variables=MappingProxyType(
            {**dict(project.environment.variables), **config.environment_variables}
        ),
        tags=MappingProxyType(dict(config.tags)),
        properties=MappingProxyType(
            {**_lineage(project.git), **(name_property(sweep) if sweep else {})}
        ),
        sweep=sweep,
    )


def _in_order(environment: EnvironmentSpec) -> EnvironmentSpec:
    if environment.conda_file is None:
        return environment
    return replace(environment, conda_file=MappingProxyType(in_order(environment.conda_file)))


def _lineage(git: GitSource | None) -> dict[str, str]:
    """Name the project's commit in the properties that Azure ML shows.

    azure-ai-ml fills these from the git repository of the *working directory* unless one of them
    is set; a project outside git therefore sets one as well, or it would get a stranger's commit.
    """
    if git is None:
        return {"azureml.git.dirty": "False"}
    lineage = {
        "mlflow.source.git.repoURL": git.repo_url,
        "mlflow.source.git.branch": git.branch,
        "mlflow.source.git.commit": git.commit,
        "azureml.git.dirty": str(git.dirty),
    }
    return {key: value for key, value in lineage.items() if value}
