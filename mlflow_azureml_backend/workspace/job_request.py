"""The requests that create a command job, shaped as azure-ai-ml shapes them, but without it.

Its import alone takes longer than all else that a submission does. The common job is small; what
is rarer (sweeps, services, identities, queues, Ray, environments by label) stays with azure-ai-ml,
and the tests hold the one against the other.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.translate.job_yaml import job_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec, WorkspaceRef

API = "2023-02-01-preview"
"""The version that azure-ai-ml creates command jobs with."""

ANONYMOUS = "CliV2AnonymousEnvironment"
"""The name that azure-ai-ml gives an environment that has none."""

_INPUT_MODES = {
    "mount": "ReadOnlyMount",
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "download": "Download",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
_OUTPUT_MODES = {
    "mount": "ReadWriteMount",
    "rw_mount": "ReadWriteMount",
    "upload": "Upload",
    "direct": "Direct",
}
_DISTRIBUTIONS = {"pytorch": "PyTorch", "mpi": "Mpi", "tensorflow": "TensorFlow"}
_DISTRIBUTION_KEYS = {
    "process_count_per_instance": "processCountPerInstance",
    "worker_count": "workerCount",
    "parameter_server_count": "parameterServerCount",
}
_RESOURCE_KEYS = {
    "instance_count": "instanceCount",
    "instance_type": "instanceType",
    "max_instance_count": "maxInstanceCount",
    "shm_size": "shmSize",
    "docker_args": "dockerArgs",
    "locations": "locations",
}
_OWN_ENVIRONMENT = re.compile(r"azureml:(?!AzureML-)(?P<name>[^/:@]+):(?P<version>[^/:@]+)")
_ELSEWHERE = re.compile(r"azureml://registries/[^/]+/environments/[^/]+/versions/[^/]+")
_URI = re.compile(r"(?:azureml|https|wasbs|abfss|adl)://[^$]+|/subscriptions/[^$]+")
# azure-ai-ml takes these for bindings, and so do the YAML files of its users.
_BRACKETS = {
    name: re.compile(rf"(?<!\{{)\{{{name}\.([^}}]*)\}}(?!\}})")
    for name in ("inputs", "outputs", "search_space")
}


def is_plain(spec: JobSpec) -> bool:
    """Tell whether this module knows all that a job asks for.

    Args:
        spec: The job, whose inputs are where it can read them.
    """
    rare = (
        spec.sweep,
        spec.pipeline,
        spec.identity,
        spec.queue_settings,
        spec.services,
        spec.secret_variables,
    )
    kind = (spec.distribution or {}).get("type", "mpi")
    reference = spec.environment.reference
    return (
        not any(rare)
        and kind in _DISTRIBUTIONS
        and "/" not in (spec.compute or "")
        and not spec.resources.properties
        and (reference is None or _reference_id(reference, "") is not None)
        and all(given.path is None or _URI.fullmatch(given.path) for given in spec.inputs.values())
    )


def job_body(
    spec: JobSpec, *, workspace: WorkspaceRef, name: str, code_id: str, environment_id: str
) -> dict[str, Any]:
    """Give the body of the PUT that creates a job.

    Args:
        spec: A job that `is_plain` calls plain.
        workspace: Where it will run.
        name: Its name.
        code_id: ARM id of the snapshot.
        environment_id: ARM id of the environment, or the URI of a registry's.
    """
    document = job_yaml(spec, code=code_id, name=name)
    properties: dict[str, Any] = {
        "jobType": "Command",
        "displayName": document.get("display_name", name),
        "experimentName": document["experiment_name"],
        "description": document.get("description"),
        "tags": document.get("tags", {}),
        "properties": document.get("properties", {}),
        "parentJobName": document.get("parent_job_name"),
        "isArchived": False,
        "command": with_bindings(document["command"]),
        "codeId": code_id,
        "environmentId": environment_id,
        "environmentVariables": document.get("environment_variables", {}),
        "inputs": {key: _input(given) for key, given in document.get("inputs", {}).items()},
        "outputs": {key: _output(given) for key, given in document.get("outputs", {}).items()},
        "computeId": spec.compute and f"{workspace.arm_id}/computes/{spec.compute}",
        "resources": _resources(document.get("resources")),
        "distribution": _distribution(document.get("distribution")),
        "limits": _limits(document.get("limits")),
    }
    return {"properties": _given(properties)}


def environment_id(spec: EnvironmentSpec, workspace: WorkspaceRef) -> str | None:
    """Give the id of an environment that exists already, or None for one that is to be made."""
    return None if spec.reference is None else _reference_id(spec.reference, workspace.arm_id)


def environment_body(
    spec: EnvironmentSpec, *, context: tuple[str, str] | None
) -> tuple[str, dict[str, Any]]:
    """Give the version of an environment without a name, and the body of its PUT.

    As with azure-ai-ml the version follows from the content, so that an environment is made once.

    Args:
        spec: An environment that is no reference.
        context: URL of its build context and the path of the Dockerfile in it, if it is built.
    """
    properties: dict[str, Any] = {"isAnonymous": True, "isArchived": False}
    if context is not None:
        # azure-ai-ml names what it has not uploaded itself at random: then the service would
        # build the same image for every job.
        version = _sha256(" ".join(context))
        properties["build"] = {"contextUri": context[0], "dockerfilePath": context[1]}
    else:
        image = str(spec.image)
        digest, properties["image"] = _sha256(image), image
        if spec.conda_file is not None:
            properties["condaFile"] = yaml.dump(_plain(spec.conda_file), sort_keys=True)
            # azure-ai-ml's own way to join the two.
            digest = digest.join(_sha256(properties["condaFile"]))
        version = _sha256(digest)
    return version, {"properties": properties}


def with_bindings(command: str) -> str:
    """Write `{inputs.x}` as `${{inputs.x}}`, as azure-ai-ml does."""
    for name, found in _BRACKETS.items():
        command = found.sub(rf"${{{{{name}.\g<1>}}}}", command)
    return command


def _reference_id(reference: str, workspace: str) -> str | None:
    if found := _OWN_ENVIRONMENT.fullmatch(reference):
        return f"{workspace}/environments/{found['name']}/versions/{found['version']}"
    if _ELSEWHERE.fullmatch(reference):
        return reference
    return None


def _input(given: Mapping[str, Any] | str | None) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {"jobInputType": "literal", "value": str(given)}
    mode = given.get("mode")
    found = {"jobInputType": given["type"], "uri": given["path"]}
    return found if mode is None else {**found, "mode": _INPUT_MODES[mode.lower()]}


def _output(given: Mapping[str, Any]) -> dict[str, Any]:
    mode = given.get("mode")
    return _given(
        {
            "jobOutputType": given["type"],
            "uri": given.get("path"),
            "mode": mode and _OUTPUT_MODES[mode.lower()],
            "assetName": given.get("name"),
            "assetVersion": given.get("version"),
        }
    )


def _resources(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    found = {key: given.get(ours) for ours, key in _RESOURCE_KEYS.items()}
    return {**_given(found), "properties": {}}


def _distribution(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    counts = {key: given.get(ours) for ours, key in _DISTRIBUTION_KEYS.items()}
    return {"distributionType": _DISTRIBUTIONS[given["type"]], **_given(counts)}


def _limits(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {"jobLimitsType": "Command", "timeout": _duration(given["timeout"])}


def _duration(seconds: int) -> str:
    """Write seconds as ISO 8601 does."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if n)
    return f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _plain(value: Any) -> Any:
    """Copy read-only mappings and tuples into what a YAML writer knows."""
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
