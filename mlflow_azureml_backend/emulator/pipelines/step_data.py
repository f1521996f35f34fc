"""What the job of a step reads and writes: values, defaults, and the outputs of other steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.pipelines.bindings import filled_text, whole_binding
from mlflow_azureml_backend.emulator.pipelines.steps import LITERALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep

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


def step_inputs(
    step: PipelineStep,
    given: Mapping[str, Mapping[str, Any]],
    literals: Mapping[str, str],
    source_uri: Callable[[str, str], str],
) -> dict[str, dict[str, Any]]:
    """Give the inputs of a step's job, as a client would send them.

    Args:
        step: the step, checked already.
        given: the inputs of the pipeline.
        literals: those of them that are no data.
        source_uri: says where the output of another step lies, by the names of both.
    """
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


def step_outputs(
    step: PipelineStep, properties: Mapping[str, Any], job: str
) -> dict[str, dict[str, Any]]:
    """Give the outputs of a step's job, as a client would send them.

    Args:
        step: the step, checked already.
        properties: the pipeline's properties.
        job: the name of the step's job.
    """
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
