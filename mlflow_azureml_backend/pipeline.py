"""The frozen types of a pipeline, in the words of Azure ML's pipeline job YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.job import EMPTY, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec


_STEPS = "steps/"


def path_in_step(step: str, path: str) -> str:
    """Name a log file of a step among all of the pipeline's.

    Args:
        step: The step.
        path: The file's path below the step's run.
    """
    return f"{_STEPS}{step}/{path}"


def split_step(path: str) -> tuple[str | None, str]:
    """Split the path of a log file into its step, or None, and the path below that step's run.

    Args:
        path: As `path_in_step` gives it, or of a job without steps.
    """
    if not path.startswith(_STEPS):
        return None, path
    step, _, rest = path.removeprefix(_STEPS).partition("/")
    return step, rest


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step of a pipeline: an entry point as a command job.

    Args:
        entry_point: Name of the entry point.
        parameters: Its parameters with their values, as the MLflow run shows them.
        job: The command job. Its inputs are bound to what other steps write or to inputs of the
            pipeline, or are literals.
        own_environment: Whether it runs in its own environment, and not in the pipeline's.
        is_deterministic: Whether an earlier result for the same input may be used again.
    """

    entry_point: str
    parameters: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    job: JobSpec
    own_environment: bool = False
    is_deterministic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """The steps of a pipeline job, by their names."""

    steps: Mapping[str, StepSpec]

    def each(self, change: Callable[[str, JobSpec], JobSpec]) -> PipelineSpec:
        """Give the pipeline with each step's command job changed.

        Args:
            change: Gives the new job for a step's name and job.
        """
        changed = {
            name: replace(step, job=change(name, step.job)) for name, step in self.steps.items()
        }
        return PipelineSpec(steps=MappingProxyType(changed))

    def in_own_environments(
        self, change: Callable[[EnvironmentSpec], EnvironmentSpec]
    ) -> PipelineSpec:
        """Give the pipeline with the environments changed that a step alone runs in.

        Args:
            change: Gives the new environment.
        """
        return self.each(
            lambda name, job: (
                replace(job, environment=change(job.environment))
                if self.steps[name].own_environment
                else job
            )
        )

    def jobs(self, environment: EnvironmentSpec) -> dict[str, JobSpec]:
        """Give the command job of each step with the environment that it runs in.

        Args:
            environment: The pipeline's, for the steps without their own.
        """
        return {
            name: step.job if step.own_environment else replace(step.job, environment=environment)
            for name, step in self.steps.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """One look at a step that has a job.

    Args:
        name: The step.
        job_name: The step's job, which the service names.
        error: Why it failed, or None.
    """

    name: str
    job_name: str
    status: JobStatus
    error: str | None = None
