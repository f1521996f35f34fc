"""The body of a command job: what a client sent, and all that the service adds to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.resources import as_texts, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_SNAPSHOTS: Final = uuid.UUID("f8a9b3de-64d3-5c0c-9a57-6f3a1f0f2f11")

_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "displayName": None,
    "status": "Starting",
    "experimentName": "Default",
    "services": {},
    "computeId": None,
    "isArchived": False,
    "identity": None,
    "componentId": None,
    "notificationSetting": None,
    "secretsConfiguration": None,
    "jobType": "Command",
    "resources": {},
    "codeId": None,
    "command": None,
    "environmentId": None,
    "inputs": {},
    "outputs": {},
    "distribution": None,
    "autologgerSettings": None,
    "limits": None,
    "environmentVariables": None,
    "parameters": {},
    "queueSettings": None,
}
_RESOURCES: Final = {
    "instanceCount": 1,
    "maxInstanceCount": None,
    "instanceType": None,
    "locations": None,
    "properties": None,
    "shmSize": "2g",
    "dockerArgs": None,
}
_LITERAL_INPUT: Final = {"description": None, "value": None, "jobInputType": "literal"}
_INPUT: Final = {
    "description": None,
    "uri": None,
    "mode": "ReadOnlyMount",
    "jobInputType": "uri_folder",
}
_OUTPUT: Final = {
    "description": None,
    "uri": None,
    "assetName": None,
    "assetVersion": None,
    "mode": "ReadWriteMount",
    "autoDeleteSetting": None,
    "jobOutputType": "uri_folder",
}
_SERVICE: Final = {
    "jobServiceType": None,
    "port": None,
    "endpoint": None,
    "status": None,
    "errorMessage": None,
    "properties": None,
    "nodes": None,
}
_QUEUE: Final = {"jobTier": None, "priority": None}
_DISTRIBUTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Mpi": {"processCountPerInstance": None},
    "PyTorch": {"processCountPerInstance": None},
    "TensorFlow": {"workerCount": None, "parameterServerCount": 0},
    "Ray": {
        "port": None,
        "address": None,
        "includeDashboard": None,
        "dashboardPort": None,
        "headNodeAdditionalArgs": None,
        "workerNodeAdditionalArgs": None,
    },
}
_MUTABLE: Final = ("description", "displayName", "tags", "isArchived")


def new_job(name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Build the properties of a job that was just submitted.

    What the client named comes back as it was sent, ids also in their short forms; the rest gets
    the service's defaults, among them the output `default` that holds the run's artifacts.

    Args:
        name: the job's name.
        sent: the properties the client sent; they are checked already.
    """
    job = filled({**_SHAPE, "displayName": name}, sent)
    job["status"] = "Starting"
    job["resources"] = filled(_RESOURCES, job["resources"])
    job["inputs"] = {key: _input(value) for key, value in job["inputs"].items() if value}
    job["outputs"] = {key: filled(_OUTPUT, value) for key, value in job["outputs"].items() if value}
    artifacts = job["outputs"].setdefault("default", dict(_OUTPUT))
    # Clients that submit a job once more send where the artifacts of the first one are.
    if not artifacts["uri"] or artifacts["uri"].startswith(_ARTIFACT_FOLDERS):
        artifacts["uri"] = _artifact_folder(name)
    if distribution := job["distribution"]:
        shape = _DISTRIBUTIONS.get(distribution.get("distributionType"), {})
        job["distribution"] = filled(shape, distribution)
    if queue := job["queueSettings"]:
        job["queueSettings"] = filled(_QUEUE, queue)
    job["tags"] = as_texts(job["tags"])
    job["properties"] = {
        **as_texts(job["properties"]),
        "_azureml.ComputeTargetType": "amlctrain",
    }
    if code := job["codeId"]:
        job["properties"]["ContentSnapshotId"] = snapshot_id(code)
    return job


def snapshot_id(code: str | None) -> str:
    """Give the id of the snapshot that holds a code asset; empty for no code.

    Args:
        code: the asset's ARM id.
    """
    return str(uuid.uuid5(_SNAPSHOTS, code.lower())) if code else ""


def changed_job(job: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Build the properties of a job that was put again.

    Only what describes a job can change; properties can be added. Everything that says what runs
    stays as it was submitted, whatever the client sent.

    Args:
        job: the stored properties.
        sent: the properties the client sent.
    """
    described = {field: sent[field] for field in _MUTABLE if sent.get(field) is not None}
    if "tags" in described:
        described["tags"] = as_texts(described["tags"])
    return {
        **job,
        **described,
        "properties": {**as_texts(sent.get("properties")), **job["properties"]},
    }


def shown_job(
    name: str, job: Mapping[str, Any], key: WorkspaceKey, *, region: str, studio: str
) -> dict[str, Any]:
    """Build the properties of a job as they are answered.

    Args:
        name: the job's name.
        job: the stored properties.
        key: its workspace.
        region: the workspace's region.
        studio: where the studio is now: another place after each start of the emulator.
    """
    services = {
        service: filled(_SERVICE, value)
        for service, value in (job["services"] or {}).items()
        if value is not None
    }
    endpoints = {
        "Tracking": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{key.arm_id}?",
        "Studio": f"{studio}/runs/{name}?wsid={key.arm_id}",
    }
    if job["jobType"] == "Sweep":  # which no compute takes up: only its trials are
        del endpoints["Tracking"]
    for service, endpoint in endpoints.items():
        services[service] = {**_SERVICE, "jobServiceType": service, "endpoint": endpoint}
    shown = {**job, "services": services}
    if job["jobType"] == "Command" and job["status"] not in ("NotStarted", "Starting"):
        shown["tags"] = {**_STARTED_TAGS, **job["tags"]}
        shown["properties"] = {**job["properties"], **_STARTED_PROPERTIES}
    return shown


# The service marks what a compute has taken up; clients have to cope with tags of others.
_STARTED_TAGS: Final = {
    "_aml_system_ComputeTargetStatus": (
        '{"AllocationState": "steady", "PreparingNodeCount": 0, '
        '"RunningNodeCount": 0, "CurrentNodeCount": 0}'
    )
}
_STARTED_PROPERTIES: Final = {
    "ProcessInfoFile": "azureml-logs/process_info.json",
    "ProcessStatusFile": "azureml-logs/process_status.json",
}


def _input(sent: Mapping[str, Any]) -> dict[str, Any]:
    return filled(_LITERAL_INPUT if sent.get("jobInputType") == "literal" else _INPUT, sent)


# The service leaves out `/paths/` here, and here only.
_ARTIFACT_FOLDERS: Final = "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid."


def _artifact_folder(name: str) -> str:
    return f"{_ARTIFACT_FOLDERS}{name}"
