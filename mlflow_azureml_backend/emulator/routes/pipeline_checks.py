"""What the service checks of a pipeline at submission: its steps, and what they are bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import Each, Kind, check_fields, invalid
from mlflow_azureml_backend.emulator.pipelines.step_body import step_body
from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep, ordered
from mlflow_azureml_backend.emulator.routes.components import COMPONENTS
from mlflow_azureml_backend.emulator.routes.job_checks import (
    check_job,
    check_job_fields,
    referenced,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_STEP: Final[Kind] = {
    "type": str,
    "componentId": str,
    "computeId": str,
    "display_name": str,
    "inputs": Each({"job_input_type": str, "uri": str, "mode": str}),
    "outputs": Each({"job_output_type": str, "uri": str, "mode": str, "name": str}),
    "environment_variables": dict,
    "resources": dict,
    "distribution": dict,
    "limits": dict,
    "identity": dict,
    "queue_settings": dict,
    "services": Each(dict),
    "tags": dict,
    "properties": dict,
}
_FIELDS: Final[Kind] = {"settings": dict, "jobs": Each(_STEP)}
_NOT_EMULATED: Final = ("on_init", "on_finalize")


def check_pipeline(state: State, key: WorkspaceKey, pipeline: Mapping[str, Any]) -> None:
    """Check a pipeline as the service does when it is submitted.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        pipeline: the properties the client sent.

    Raises:
        ServiceError: 400 for a pipeline that makes no sense or is not emulated, 404 for a
            reference to something that does not exist.
    """
    check_fields(pipeline, _FIELDS)
    if not pipeline.get("jobs"):
        what = "a pipeline component" if pipeline.get("componentId") else "no steps"
        raise _unsupported(f"A pipeline job of {what} is not supported by the emulator: give jobs.")
    for setting in _NOT_EMULATED:
        if (pipeline.get("settings") or {}).get(setting):
            raise _unsupported(f"The setting {setting} is not supported by the emulator.")
    for step in read_steps(state, key, pipeline):
        body = step_body("", pipeline, step, "", lambda job, output: f"{job}/{output}")
        check_job_fields(body)
        check_job(state, key, body)


def read_steps(
    state: State, key: WorkspaceKey, pipeline: Mapping[str, Any]
) -> tuple[PipelineStep, ...]:
    """Read the steps of a pipeline, each behind those that it needs.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        pipeline: the properties of the pipeline.

    Raises:
        ServiceError: 400 or 404, as for `check_pipeline`.
    """
    steps = {}
    for name, sent in pipeline["jobs"].items():
        kind = (sent or {}).get("type") or "command"
        if kind != "command":
            raise _unsupported(
                f"The component job {name} is of the type {kind}; the emulator runs only command."
            )
        if not (sent or {}).get("componentId"):
            raise invalid(f"The ComponentId field of component job {name} is required.")
        component = _component(state, key, sent["componentId"])
        steps[name] = PipelineStep(name=name, sent=sent, component=component)
    return tuple(ordered(pipeline, steps))


def _component(state: State, key: WorkspaceKey, component_id: str) -> Mapping[str, Any]:
    if "azureml://registries/" in component_id.lower():
        raise _unsupported(
            f"Components of registries are not supported by the emulator: {component_id}. "
            "Register the component in the workspace."
        )
    found = referenced(key, COMPONENTS, component_id)
    try:
        if found is None:
            raise COMPONENTS.missing_container(component_id)
        name, version = found
        document = (
            COMPONENTS.version(state, key, name, version)
            if version
            else COMPONENTS.latest(state, key, name)
        )
    except ServiceError as error:
        message = f"key: {component_id}, Message: {error.message}"
        raise ServiceError(404, "NotFound", message) from None
    spec: dict[str, Any] = document.body["componentSpec"]
    if spec.get("type") != "command":
        raise _unsupported(
            f"The component {component_id} is of the type {spec.get('type')}; the emulator runs "
            "only command."
        )
    return spec


def _unsupported(message: str) -> ServiceError:
    return invalid(message, "InvalidPipelineJob", "JobTypeNotSupported")
