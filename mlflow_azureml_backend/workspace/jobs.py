"""Submit, look at and cancel jobs: the plain ones directly, the others through azure-ai-ml."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import (
    NotFoundError,
    SubmissionError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.job import JobHandle
from mlflow_azureml_backend.translate.job_yaml import as_text, job_yaml
from mlflow_azureml_backend.translate.pipeline_yaml import pipeline_yaml
from mlflow_azureml_backend.workspace.build_context import upload_build_context
from mlflow_azureml_backend.workspace.failures import service_errors, without_secrets
from mlflow_azureml_backend.workspace.job_request import (
    ANONYMOUS,
    API,
    environment_body,
    environment_id,
    is_plain,
    job_body,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec
    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"
_ENVIRONMENT_API = "2023-04-01"
# What a build context is called in a document that nobody reads but this module.
_PLACEHOLDER = "context"
_BAD_REQUEST = 400


def submit_job(connection: Connection, spec: JobSpec, *, name: str, code_id: str) -> JobHandle:
    """Create the job under a name chosen beforehand.

    A PUT of the same name is the same job, so a submit whose answer was lost is looked up
    instead of being repeated under another name.

    Args:
        connection: The workspace.
        spec: What to run.
        name: The job's name.
        code_id: ARM id of the snapshot.

    Raises:
        SubmissionError: The service or azure-ai-ml refused the job.
        WorkspaceError: The service could not be reached and no such job exists.
    """
    try:
        if is_plain(spec):
            return _put_plain(connection, spec, name, code_id)
        with service_errors(f"submitting job '{name}'"):
            _put(connection, spec, name, code_id)
    except UnavailableError as error:
        try:
            return read_handle(connection, name)
        except NotFoundError:
            raise error from None  # what went wrong is not that the job is not there
    except NotFoundError as error:
        raise SubmissionError(f"{error} Something the job refers to does not exist.") from error
    except WorkspaceError as error:
        raise SubmissionError(str(error)) from error
    return read_handle(connection, name)


def read_handle(connection: Connection, name: str) -> JobHandle:
    """Look a job up and give its handle, with the link to its page.

    Raises:
        NotFoundError: There is no such job.
    """
    return _handle(connection, read_job(connection, name))


def _handle(connection: Connection, job: Mapping[str, Any]) -> JobHandle:
    studio = properties_of(job).get("services", {}).get("Studio") or {}
    return JobHandle(
        workspace=connection.ref, job_name=str(job["name"]), studio_url=studio.get("endpoint")
    )


def read_job(connection: Connection, name: str) -> dict[str, Any]:
    """Read a job's ARM resource."""
    return connection.arm("GET", f"/jobs/{name}", api_version=_API, doing=f"reading job '{name}'")


def properties_of(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a job's ARM resource says; nothing for a pipeline's step, which is run history's.

    Args:
        job: As `read_job` gives it.
    """
    return job.get("properties") or {}


def cancel_job(connection: Connection, name: str) -> None:
    """Ask for the job's end; a job that has ended already stays as it is."""
    from azure.core.exceptions import HttpResponseError

    try:
        connection.arm(
            "POST", f"/jobs/{name}/cancel", api_version=_API, doing=f"cancelling job '{name}'"
        )
    except WorkspaceError as error:
        cause = error.__cause__
        if isinstance(cause, HttpResponseError) and cause.status_code == _BAD_REQUEST:
            return  # "in terminal status, it can't be canceled"
        raise


def prepare_environment(connection: Connection, spec: EnvironmentSpec) -> str | None:
    """Make sure that the workspace has an environment, and give its id.

    What was made once is not made again by this process: the version follows from the content.

    Returns:
        None for one that exists under a name that only azure-ai-ml can tell the id of.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    known = environment_id(spec, connection.ref)
    if known is not None or spec.reference is not None:
        return known
    context = None if spec.build is None else upload_build_context(connection, spec.build)
    version, body = environment_body(spec, context=context)

    def create() -> str:
        made = connection.arm(
            "PUT",
            f"/environments/{ANONYMOUS}/versions/{version}",
            api_version=_ENVIRONMENT_API,
            body=body,
            doing="creating the environment",
        )
        return str(made["id"])

    return connection.once(("environment", version), create)


def _put_plain(connection: Connection, spec: JobSpec, name: str, code_id: str) -> JobHandle:
    body = job_body(
        spec,
        workspace=connection.ref,
        name=name,
        code_id=code_id,
        environment_id=str(prepare_environment(connection, spec.environment)),
    )
    job = connection.arm(
        "PUT", f"/jobs/{name}", api_version=API, body=body, doing=f"submitting job '{name}'"
    )
    return _handle(connection, job)


def _put(connection: Connection, spec: JobSpec, name: str, code_id: str) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.exceptions import MlException

    # The SDK warns about its own experimental classes; a user of ours can do nothing about it.
    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
    client = MLClient(
        connection.credential,
        connection.ref.subscription_id,
        connection.ref.resource_group,
        connection.ref.workspace_name,
        show_progress=False,
        enable_telemetry=False,
        **connection.endpoint.client_arguments,
    )
    try:
        client.jobs.create_or_update(_entity(connection, spec, name, f"azureml:{code_id}"))
    except MlException as error:
        raise SubmissionError(without_secrets(f"azure-ai-ml refused the job: {error}")) from error


def _entity(connection: Connection, spec: JobSpec, name: str, code: str) -> Any:
    """Give azure-ai-ml's job with its environments."""
    from mlflow_azureml_backend.workspace.sweeps import as_sweep

    environment = _environment(connection, spec.environment)
    if spec.pipeline is not None:
        pipeline = as_entity(pipeline_yaml(spec, code=code, name=name, context=_PLACEHOLDER))
        for step, job in spec.pipeline.jobs(spec.environment).items():
            shared = job.environment is spec.environment
            pipeline.jobs[step].component.environment = (
                environment if shared else _environment(connection, job.environment)
            )
        return pipeline
    job = as_entity(job_yaml(spec, code=code, name=name, context=_PLACEHOLDER))
    job.environment = environment
    return job if spec.sweep is None else as_sweep(job, spec.sweep)


def as_entity(document: Mapping[str, Any]) -> Any:
    """Read a job's document as `az ml job create -f` reads it: what is rendered is submitted.

    Args:
        document: As `job_yaml` or `pipeline_yaml` gives it.

    Raises:
        SubmissionError: azure-ai-ml does not take it.
    """
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import MlException
    from marshmallow import ValidationError

    rest = dict(document)
    rest["jobs"] = {step: dict(node) for step, node in document.get("jobs", {}).items()}
    # azure-ai-ml's own YAML schema breaks on this key of it.
    identities = {step: _without_resource_id(node) for step, node in rest["jobs"].items()}
    own_identity = _without_resource_id(rest)
    # The environment is set by whoever submits; azure-ai-ml only wants to see that there is one.
    for node in rest["jobs"].values():
        node["component"] = dict(node["component"])
        _without_build(node["component"])
    if not rest["jobs"]:
        del rest["jobs"]
        _without_build(rest)
    try:
        job = load_job(io.StringIO(as_text(rest)))
    except (MlException, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SubmissionError(f"azure-ai-ml refused the job: {reason[:600]}") from error
    if own_identity is not None:
        job.identity = own_identity
    for step, identity in identities.items():
        if identity is not None:
            job.jobs[step].identity = identity
    return job


def _without_resource_id(section: dict[str, Any]) -> Any:
    """Take an identity by its ARM id out of a document, and give azure-ai-ml's; None of others."""
    from azure.ai.ml.entities import ManagedIdentityConfiguration

    identity = dict(section.get("identity") or {})
    resource_id = identity.pop("msi_resource_id", None)
    if resource_id is None:
        return None
    section["identity"] = dict(identity)
    identity.pop("type")
    return ManagedIdentityConfiguration(**identity, resource_id=resource_id)


def _without_build(section: dict[str, Any]) -> None:
    if "build" in section["environment"]:
        section["environment"] = f"azureml:{ANONYMOUS}@latest"


def _environment(connection: Connection, spec: EnvironmentSpec) -> Any:
    from azure.ai.ml.entities import BuildContext, Environment

    if spec.reference is not None:
        return spec.reference
    if spec.build is not None:
        url, dockerfile = upload_build_context(connection, spec.build)
        environment = Environment(
            name=ANONYMOUS,
            version=environment_body(spec, context=(url, dockerfile))[0],
            build=BuildContext(path=url, dockerfile_path=dockerfile),
        )
        environment._is_anonymous = True  # noqa: SLF001  # there is no other way to say it
        return environment
    conda = None if spec.conda_file is None else dict(spec.conda_file)
    return Environment(image=spec.image, conda_file=conda)
