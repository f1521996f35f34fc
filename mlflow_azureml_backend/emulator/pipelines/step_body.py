"""The command job that runs one step: its component, with what the pipeline says over it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.job_body import new_job
from mlflow_azureml_backend.emulator.pipelines.bindings import (
    bindings_in,
    filled_text,
    whole_binding,
)
from mlflow_azureml_backend.emulator.pipelines.steps import LITERALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_STEPS: Final = uuid.UUID("6c3cf1c5-5d5c-5b8e-9a0b-0f6c1f6f1d57")
_OPTIONAL: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_NAMED_INPUT: Final = re.compile(r"\$\{\{\s*inputs\.([\w.-]+)\s*\}\}")
_NUMBERS: Final = re.compile(r".*(_count|_count_per_instance|port|priority)")
# A component writes them small, as its YAML file does; a step as the service's own API.
_INPUT_MODES: Final = {
    "mount": "ReadOnlyMount",
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "download": "Download",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
_OUTPUT_MODES: Final = {
    "mount": "ReadWriteMount",
    "rw_mount": "ReadWriteMount",
    "upload": "Upload",
    "direct": "Direct",
}
_DISTRIBUTIONS: Final = {
    "pytorch": "PyTorch",
    "mpi": "Mpi",
    "tensorflow": "TensorFlow",
    "ray": "Ray",
}


def step_job_name(key: WorkspaceKey, pipeline: str, step: str) -> str:
    """Name the job of a step: the service chooses a GUID, here always the same one.

    Args:
        key: the workspace.
        pipeline: the pipeline's name.
        step: the step's name in it.
    """
    return str(uuid.uuid5(_STEPS, f"{key.storage_key}/{pipeline}/{step}"))


def node_id(job: str) -> str:
    """Give the short id that the service knows a step by.

    Args:
        job: the step's job.
    """
    return job[:8]


def step_body(
    pipeline: str,
    properties: Mapping[str, Any],
    step: PipelineStep,
    job: str,
    source_uri: Callable[[str, str], str],
) -> dict[str, Any]:
    """Build the properties of the command job that runs a step.

    Args:
        pipeline: the pipeline's name.
        properties: the pipeline's properties.
        step: the step, checked already.
        job: the name of its job.
        source_uri: says where the output of another step lies, by the names of both.
    """
    given = {name: value for name, value in (properties.get("inputs") or {}).items() if value}
    literals = {
        name: str(value.get("value") or "")
        for name, value in given.items()
        if value.get("jobInputType") == "literal"
    }
    spec = step.component
    sent: Mapping[str, Any] = _filled(step.sent, literals)
    inputs = _inputs(step, given, literals, source_uri)
    component = str(step.sent["componentId"])
    short = node_id(job)
    return new_job(
        job,
        {
            "jobType": "Command",
            "displayName": sent.get("display_name") or step.name,
            "description": sent.get("description") or spec.get("description"),
            "experimentName": properties.get("experimentName"),
            "tags": {
                **(sent.get("tags") or {}),
                "azureml.nodeid": short,
                "azureml.pipeline": pipeline,
            },
            "properties": {
                **(sent.get("properties") or {}),
                "azureml.DevPlatv2": "true",
                "StepType": "PythonScriptStep",
                "ComputeTargetType": "AmlCompute",
                "azureml.moduleName": spec.get("name") or "azureml_anonymous",
                "azureml.moduleVersion": component.rpartition("/")[2],
                "azureml.runsource": "azureml.StepRun",
                "azureml.nodeid": short,
                "azureml.pipelinerunid": pipeline,
                "azureml.pipeline": pipeline,
                "azureml.pipelineComponent": "masterescloud",
            },
            "componentId": component,
            "computeId": _compute(sent, properties),
            "identity": _camel(sent.get("identity")) or properties.get("identity"),
            "command": _command(str(spec.get("command") or ""), inputs),
            "environmentId": spec.get("environment"),
            "codeId": str(spec.get("code") or "").removeprefix("azureml:") or None,
            "environmentVariables": {
                **(spec.get("environment_variables") or {}),
                **(sent.get("environment_variables") or {}),
            },
            "inputs": inputs,
            "outputs": _outputs(step, properties, job),
            "distribution": _distribution(sent, spec),
            "resources": _camel({**(spec.get("resources") or {}), **(sent.get("resources") or {})}),
            "limits": _camel(sent.get("limits") or spec.get("limits")),
            "queueSettings": _camel(sent.get("queue_settings")),
            "services": {
                name: _camel(service) for name, service in (sent.get("services") or {}).items()
            },
        },
    )


def pipeline_outputs(steps: Mapping[str, PipelineStep]) -> dict[str, tuple[str, str]]:
    """Say which output of which step each output of a pipeline is, by their names.

    Args:
        steps: the steps, checked already.
    """
    return {
        binding.output: (step.name, name)
        for step in steps.values()
        for name, value in step.outputs.items()
        for binding in bindings_in(str(value.get("value") or ""))
        if binding.output
    }


def _inputs(
    step: PipelineStep,
    given: Mapping[str, Mapping[str, Any]],
    literals: Mapping[str, str],
    source_uri: Callable[[str, str], str],
) -> dict[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = {}
    for name, declared in step.declared_inputs.items():
        sent = step.inputs.get(name) or {}
        text = str(sent.get("value") if sent.get("value") is not None else "")
        binding = whole_binding(text)
        found: Mapping[str, Any] = sent
        if binding and binding.source:
            found = {"uri": source_uri(*binding.source)}
        elif binding:
            found = given.get(str(binding.input)) or {}
        elif sent:
            found = {**sent, "value": filled_text(text, literals)}
        if not found and declared.get("default") is not None:
            found = {"value": str(declared["default"])}
        if not found:
            continue
        if declared.get("type") in LITERALS:
            inputs[name] = {"jobInputType": "literal", "value": str(found.get("value") or "")}
            continue
        mode = sent.get("mode") or found.get("mode") or _INPUT_MODES.get(str(declared.get("mode")))
        inputs[name] = {
            "jobInputType": declared.get("type"),
            "uri": found.get("uri"),
            "mode": mode or "ReadOnlyMount",
        }
    return inputs


def _outputs(
    step: PipelineStep, properties: Mapping[str, Any], job: str
) -> dict[str, dict[str, Any]]:
    store = str((properties.get("settings") or {}).get("default_datastore") or "")
    store = store.rpartition("/")[2].rpartition(":")[2] or "workspaceblobstore"
    outputs = {}
    for name, declared in step.declared_outputs.items():
        sent = step.outputs.get(name) or {}
        binding = whole_binding(str(sent.get("value") or ""))
        bound = (properties.get("outputs") or {}).get(binding.output) if binding else None
        above: Mapping[str, Any] = bound or {}
        uri = sent.get("uri") or above.get("uri")
        if not uri:
            uri = "azureml://datastores/${{default_datastore}}/paths/azureml/${{name}}/"
            uri += "${{output_name}}/"
        for variable, value in (
            ("name", job),
            ("output_name", name),
            ("default_datastore", store),
        ):
            uri = uri.replace(f"${{{{{variable}}}}}", value)
        mode = sent.get("mode") or above.get("mode") or _OUTPUT_MODES.get(str(declared.get("mode")))
        outputs[name] = {
            "jobOutputType": declared.get("type") or above.get("jobOutputType"),
            "mode": mode or "ReadWriteMount",
            "uri": uri,
            "assetName": sent.get("name") or above.get("assetName"),
            "assetVersion": sent.get("version") or above.get("assetVersion"),
        }
    return outputs


def _command(command: str, inputs: Mapping[str, Any]) -> str:
    """Leave out the optional parts of a command that name an input without a value."""

    def part(found: re.Match[str]) -> str:
        named = _NAMED_INPUT.findall(found[1])
        return found[1] if all(name in inputs for name in named) else ""

    return _OPTIONAL.sub(part, command)


def _compute(sent: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    settings = properties.get("settings") or {}
    compute = (
        sent.get("computeId") or properties.get("computeId") or settings.get("default_compute")
    )
    name = str(compute or "").rpartition("/")[2].rpartition(":")[2]
    return None if name in {"", "serverless"} else str(compute)


def _distribution(sent: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any] | None:
    if sent.get("distribution"):
        return _camel(sent["distribution"])
    said = dict(spec.get("distribution") or {})
    if not said:
        return None
    kind = str(said.pop("type", None) or said.pop("distribution_type", ""))
    return _camel({**said, "distribution_type": _DISTRIBUTIONS.get(kind.lower(), kind)})


def _camel(said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Write names as the service's API does; a component keeps numbers as texts."""
    if not said:
        return None
    found: dict[str, Any] = {}
    for name, value in said.items():
        first, *others = name.split("_")
        number = isinstance(value, str) and value.isdecimal() and _NUMBERS.fullmatch(name)
        found["".join((first, *map(str.title, others)))] = int(value) if number else value
    return found


def _filled(value: Any, literals: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(below, literals) for name, below in value.items()}
    if isinstance(value, list):
        return [_filled(below, literals) for below in value]
    return filled_text(value, literals) if isinstance(value, str) else value
