"""A pipeline job as YAML: its steps are nodes with their command inline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.translate.job_yaml import job_yaml
from mlflow_azureml_backend.translate.pipeline import is_binding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.data_spec import InputSpec
    from mlflow_azureml_backend.job import JobSpec

_SCHEMA = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
_SERVERLESS = "serverless"
# What the pipeline has of a command job; all else is each node's.
_WHOLE = (
    *("name", "display_name", "experiment_name", "description", "tags", "properties", "inputs"),
    "identity",
)
_COMPONENT = ("command", "code", "environment")
_NODE = (
    *("environment_variables", "compute", "resources", "distribution", "limits"),
    *("queue_settings", "identity", "services"),
)
_BOUND = re.compile(
    r"\$\{\{parent\.(?:inputs\.(?P<input>\w+)|jobs\.(?P<step>\w+)\.outputs\.(?P<output>\w+))\}\}"
)
_FOLDER = "uri_folder"


def pipeline_yaml(
    spec: JobSpec, *, code: str, name: str | None = None, context: str | None = None
) -> dict[str, Any]:
    """Give the document that `az ml job create -f` takes.

    Args:
        spec: The job, with its pipeline.
        code: The snapshot: a folder, or the ARM id of what was uploaded.
        name: The job's name, or None to let the client choose one.
        context: The folder that holds the build context of the pipeline's environment, if it has
            one.
    """
    shared = job_yaml(spec, code=code, name=name, context=context)
    steps = spec.pipeline.steps if spec.pipeline else {}
    jobs = spec.pipeline.jobs(spec.environment) if spec.pipeline else {}
    nodes = {}
    for step, job in jobs.items():
        build = job.environment.build
        own = str(build.folder) if steps[step].own_environment and build else context
        command_job = job_yaml(job, code=code, context=own)
        if job.compute == spec.compute:
            command_job.pop("compute", None)
        else:
            command_job["compute"] = f"azureml:{job.compute or _SERVERLESS}"
        inputs = {key: _input(spec, given) for key, given in job.inputs.items()}
        nodes[step] = {
            "type": "command",
            "display_name": step,
            "component": {
                "type": "command",
                "is_deterministic": steps[step].is_deterministic,
                **{key: command_job[key] for key in _COMPONENT},
                "inputs": {key: {"type": kind} for key, (kind, _) in inputs.items()},
                "outputs": {key: {"type": given.type} for key, given in job.outputs.items()},
            },
            "inputs": {key: value for key, (_, value) in inputs.items()},
            "outputs": command_job.get("outputs"),
            **{key: command_job[key] for key in _NODE if key in command_job},
        }
    return {
        "$schema": _SCHEMA,
        "type": "pipeline",
        **{key: shared[key] for key in _WHOLE if key in shared},
        "settings": {
            "default_compute": f"azureml:{spec.compute or _SERVERLESS}",
            # As MLflow's own multi-step projects do.
            "continue_on_step_failure": False,
        },
        "jobs": {step: _said(node) for step, node in nodes.items()},
    }


def _input(spec: JobSpec, given: InputSpec) -> tuple[str, Any]:
    """Give the type of a node's input, and what stands below its name."""
    if not is_binding(given.path):
        return "string", given.value
    kind, mode = given.type, given.mode
    found = _BOUND.fullmatch(given.path or "")
    if found and found["input"]:
        whole = spec.inputs[found["input"]]
        kind, mode = kind or whole.type, mode or whole.mode
    elif found and spec.pipeline:
        kind = kind or spec.pipeline.steps[found["step"]].job.outputs[found["output"]].type
    return kind or _FOLDER, given.path if mode is None else {"path": given.path, "mode": mode}


def _said(node: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in node.items() if value not in (None, {})}
    found["component"] = {
        key: value for key, value in node["component"].items() if value not in (None, {})
    }
    return found
