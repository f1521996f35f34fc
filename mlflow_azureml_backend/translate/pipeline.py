"""From the steps of a project to a `PipelineSpec`: each an own command job, bound to the others."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.reader import config_message
from mlflow_azureml_backend.data_spec import Binding, InputSpec
from mlflow_azureml_backend.errors import AzureMLBackendError, ConfigError, EnvironmentSpecError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.pipeline import PipelineSpec, StepSpec
from mlflow_azureml_backend.translate.command import resolve_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec
    from mlflow_azureml_backend.project import ProjectSpec


def with_pipeline(
    whole: JobSpec,
    project: ProjectSpec,
    configs: Mapping[str, BackendConfig],
    translated: Callable[[ProjectSpec, BackendConfig], JobSpec],
) -> JobSpec:
    """Give a run's job its steps; data that a step reads from outside becomes the pipeline's input.

    Args:
        whole: What all steps share, and the run's own inputs.
        project: The project with its steps.
        configs: The config of each step.
        translated: Translates one step as if it were a run of its own.

    Raises:
        ConfigError: A step cannot be translated; names the problems of all steps.
    """
    problems: list[str] = []
    steps: dict[str, StepSpec] = {}
    inputs = dict(whole.inputs)
    for name, step in project.steps.items():
        config = configs[name]
        try:
            declared, extra = resolve_parameters(step.entry_point, step.parameters)
            job = translated(step, config)
            own_environment = job.environment != whole.environment
            if own_environment:
                _check_environment(job.environment)
        except AzureMLBackendError as error:
            reason = str(error).removeprefix("Backend config: ").rstrip(".")
            problems.append(f"steps.{name}: {reason}")
            continue
        bound = {key: _bound(name, key, given, inputs) for key, given in job.inputs.items()}
        steps[name] = StepSpec(
            entry_point=step.entry_point.name,
            parameters=MappingProxyType({**declared, **extra}),
            # Labels and lineage are the whole job's.
            job=replace(job, inputs=MappingProxyType(bound), tags=EMPTY, properties=EMPTY),
            own_environment=own_environment,
            is_deterministic=bool(config.is_deterministic),
        )
    if problems:
        raise ConfigError(config_message(problems))
    return replace(
        whole,
        command="",
        environment_variables=EMPTY,
        secret_variables=EMPTY,
        inputs=MappingProxyType(inputs),
        pipeline=PipelineSpec(steps=MappingProxyType(steps)),
    )


def is_binding(path: str | None) -> bool:
    """Tell whether an input's path is one of a pipeline's expressions.

    Args:
        path: The path; one of data never holds an expression.
    """
    return path is not None and path.startswith("${{parent.")


def _bound(step: str, key: str, given: InputSpec, inputs: dict[str, InputSpec]) -> InputSpec:
    """Bind an input of a step; what is outside of the pipeline becomes one of the pipeline's."""
    if given.path is None or is_binding(given.path):
        return given
    name = f"{step}_{key}"
    while name in inputs:
        name += "_"
    inputs[name] = replace(given, mode=None)
    return InputSpec(type=given.type, path=Binding(name=name).expression, mode=given.mode)


def _check_environment(environment: EnvironmentSpec) -> None:
    if environment.build is not None and not environment.build.is_folder:
        raise EnvironmentSpecError(
            "environment: what is built of files that are made for the run (packages of the "
            "project itself, or an image with `inject`) can only be the environment of all steps"
        )
