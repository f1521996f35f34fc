"""The whole translation: project and config in, `JobSpec` out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.variables import resolve_variables
from mlflow_azureml_backend.data_spec import SnapshotSpec
from mlflow_azureml_backend.job import EMPTY, JobSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.command import render_command
from mlflow_azureml_backend.translate.conda_spec import in_order
from mlflow_azureml_backend.translate.environment import client_mlflow, plan_environment
from mlflow_azureml_backend.translate.inputs import bind_data
from mlflow_azureml_backend.translate.job_sections import (
    compute_of,
    labels,
    refuse_expressions,
    resources_of,
    section,
)
from mlflow_azureml_backend.translate.pipeline import with_pipeline
from mlflow_azureml_backend.translate.plugin_install import with_plugin_at_start
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases
from mlflow_azureml_backend.translate.secret_variables import with_secrets
from mlflow_azureml_backend.translate.shared_tracking import copying_to_workspace
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

_ALWAYS_RUNS = (
    "is_deterministic changes nothing for a job of its own, which always runs: Azure ML uses "
    "results again in pipelines alone"
)
_NO_IDENTITY = (
    "the job starts runs itself, which its identity aml_token is not allowed to; take "
    "user_identity or managed"
)
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
    environ: Mapping[str, str] = EMPTY,
    steps: Mapping[str, BackendConfig] = EMPTY,
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
        environ: This machine's variables, for `${env:NAME}`.
        steps: The config of each of the project's steps, which make the job a pipeline.

    Raises:
        ProjectError: A value does not fit its parameter, or names data that no job can read.
        EnvironmentSpecError: The environment cannot work.
        ConfigError: The config's environment is no environment, one of this machine's variables
            is missing, or a value is one that Azure ML would not take as it is.
    """
    releases = packaged_releases()
    own = project.environment if use_project_environment else _NO_ENVIRONMENT
    environment = plan_environment(
        own,
        config,
        versions=versions,
        releases=releases,
        root=project.root,
        starts_runs=starts_runs(project, config),
    )
    sweep = None
    if config.sweep is not None:
        sweep = plan_sweep(config.sweep, project.entry_point, project.parameters)
    varied = placeholders(sweep) if sweep else {}
    named = {**_lineage(project.git), **(name_property(sweep) if sweep else {})}
    data = bind_data(project, config)
    # Of the entry point that a pipeline stands for only the parameters count.
    entry_point = replace(project.entry_point, command="") if steps else project.entry_point
    command = render_command(
        without_swept(entry_point, varied), project.parameters, data.arguments, varied
    )
    if config.tracking == "both":
        command = copying_to_workspace(command)
    if environment.at_start is not None:
        command = with_plugin_at_start(
            command, environment.at_start, mlflow=client_mlflow(versions, releases)
        )
    variables = resolve_variables(config.environment_variables, environ)
    if variables.secret:
        # First of all: the plugin may have to come from an index that wants a password.
        command = with_secrets(command)
    notes = [*_notes(project, config), *environment.notes]
    spec = JobSpec(
        command=command,
        code=project.root,
        environment=_in_order(environment.spec),
        compute=compute_of(config),
        resources=resources_of(config, docker_args),
        experiment_name=config.experiment_name or experiment_name,
        display_name=config.display_name or run_name,
        description=config.description,
        inputs=data.inputs,
        outputs=data.outputs,
        snapshot=SnapshotSpec(
            exclude=tuple(config.snapshot.exclude), max_bytes=config.snapshot.max_size
        ),
        environment_variables=MappingProxyType(
            {**dict(project.environment.variables), **variables.open}
        ),
        tags=labels("tags", config.tags, notes),
        properties=labels("properties", {**named, **config.properties}, notes),
        distribution=section(config.distribution),
        limits=section(config.limits),
        queue_settings=section(config.queue_settings),
        identity=section(config.identity),
        services=MappingProxyType(
            {name: section(service) or EMPTY for name, service in (config.services or {}).items()}
        ),
        parent_job_name=config.parent_job_name,
        secret_variables=variables.secret,
        sweep=sweep,
    )
    spec = replace(refuse_expressions(spec), notes=tuple(notes))
    if not steps:
        return spec
    each = partial(
        translate,
        experiment_name=experiment_name,
        run_name=None,
        versions=versions,
        use_project_environment=use_project_environment,
        docker_args=docker_args,
        environ=environ,
    )
    return with_pipeline(spec, project, steps, each)


def starts_runs(project: ProjectSpec, config: BackendConfig) -> bool:
    """Tell whether a job starts runs of this backend itself: the config goes first."""
    return project.starts_runs if config.nested_runs is None else config.nested_runs


def _notes(project: ProjectSpec, config: BackendConfig) -> list[str]:
    notes = []
    if config.is_deterministic is not None and config.steps is None:
        notes.append(_ALWAYS_RUNS)
    if (
        starts_runs(project, config)
        and config.identity is not None
        and config.identity.type == "aml_token"
    ):
        notes.append(_NO_IDENTITY)
    return notes


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
