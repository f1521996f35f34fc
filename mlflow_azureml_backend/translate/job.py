"""The whole translation: project and config in, `JobSpec` out."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.job import JobSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.command import render_command
from mlflow_azureml_backend.translate.environment import (
    environment_from_config,
    environment_from_project,
)

if TYPE_CHECKING:
    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.job import EnvironmentSpec
    from mlflow_azureml_backend.project import GitSource, ProjectSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientVersions:
    """What this machine runs, for projects that leave it open.

    Args:
        python: `major.minor`.
        mlflow: MLflow's version.
    """

    python: str
    mlflow: str


def translate(
    project: ProjectSpec,
    config: BackendConfig,
    *,
    experiment_name: str,
    run_name: str | None,
    versions: ClientVersions,
    use_project_environment: bool = True,
) -> JobSpec:
    """Say what Azure ML will get for one run.

    Args:
        project: The entry point to run and the user's values.
        config: The backend config, files it names already read.
        experiment_name: Name of the MLflow experiment of the run; the config's goes first.
        run_name: The name given with `--run-name`; the config's `display_name` goes first.
        versions: This machine's Python and MLflow.
        use_project_environment: False for MLflow's `--env-manager local`.

    Raises:
        ProjectError: A value does not fit its parameter.
        EnvironmentSpecError: The environment cannot work.
        ConfigError: The config's environment is no environment.
    """
    return JobSpec(
        command=render_command(project.entry_point, project.parameters),
        code=project.root,
        environment=_environment(project, config, versions, own=use_project_environment),
        compute=config.compute,
        experiment_name=config.experiment_name or experiment_name,
        display_name=config.display_name or run_name,
        description=config.description,
        environment_variables=MappingProxyType(
            {**dict(project.environment.variables), **config.environment_variables}
        ),
        tags=MappingProxyType(dict(config.tags)),
        properties=MappingProxyType(_lineage(project.git)),
    )


def _environment(
    project: ProjectSpec, config: BackendConfig, versions: ClientVersions, *, own: bool
) -> EnvironmentSpec:
    if config.environment is not None:
        return environment_from_config(config.environment)
    return environment_from_project(
        project.environment if own else ProjectEnvironment(kind=EnvironmentKind.NONE),
        client_python=versions.python,
        client_mlflow=versions.mlflow,
    )


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
