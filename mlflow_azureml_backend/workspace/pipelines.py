"""Pipeline jobs before they are submitted: what of each step the workspace is asked or given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import AzureMLBackendError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.workspace.data_checks import check_data
from mlflow_azureml_backend.workspace.job_checks import check_job
from mlflow_azureml_backend.workspace.secret_values import with_stored_secrets

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.workspace.connection import Connection


def check_steps(connection: Connection, spec: JobSpec, *, wants_gpu: bool) -> tuple[str, ...]:
    """Find what keeps a step from running, and give what the user should know.

    Args:
        connection: The workspace.
        spec: The job, with its pipeline.
        wants_gpu: The user asked for CUDA.

    Raises:
        ConfigError: A compute has too few nodes, no such instance type, or no GPU.
        NotFoundError: There is no such compute.
        WorkspaceError: A compute is not in a state to run jobs.
    """
    jobs = spec.pipeline.jobs(spec.environment) if spec.pipeline else {}
    notes: dict[str, None] = {}
    seen: list[object] = []
    for name, job in jobs.items():
        asked = (job.compute, job.resources, job.environment)
        if asked in seen:
            continue
        seen.append(asked)
        try:
            notes |= dict.fromkeys(check_job(connection, job, wants_gpu=wants_gpu))
        except AzureMLBackendError as error:
            raise _in_step(name, error) from error
    return tuple(notes)


def check_outputs(connection: Connection, spec: JobSpec) -> None:
    """Make sure that the datastores exist that steps write to.

    Raises:
        NotFoundError: One does not.
        WorkspaceError: The service refused, or could not be reached.
    """
    for name, step in (spec.pipeline.steps if spec.pipeline else {}).items():
        try:
            check_data(connection, replace(step.job, inputs=EMPTY))
        except AzureMLBackendError as error:
            raise _in_step(name, error) from error


def with_stored_secrets_of_steps(connection: Connection, spec: JobSpec, *, name: str) -> JobSpec:
    """Give the job whose steps' secrets are in a Key Vault.

    Args:
        connection: The workspace.
        spec: The job.
        name: The job's name.

    Raises:
        ConfigError: The workspace has no Key Vault.
        ForbiddenError: The user may not write secrets.
        WorkspaceError: The vault could not be reached.
    """
    if spec.pipeline is None:
        return spec
    return replace(
        spec,
        pipeline=spec.pipeline.each(
            lambda step, job: with_stored_secrets(connection, job, name=f"{name}-{step}")
        ),
    )


def _in_step(name: str, error: AzureMLBackendError) -> AzureMLBackendError:
    return type(error)(f"steps.{name}: {str(error).removeprefix('Backend config: ')}")
