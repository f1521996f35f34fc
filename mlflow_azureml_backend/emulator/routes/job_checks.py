"""What the service checks of a job at submission: that it can run, and what it refers to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.field_checks import (
    DESCRIBED,
    Each,
    Kind,
    check_fields,
    invalid,
)
from mlflow_azureml_backend.emulator.routes.codes import CODES, code_not_found
from mlflow_azureml_backend.emulator.routes.computes import compute_exists, compute_not_found
from mlflow_azureml_backend.emulator.routes.environments import (
    ENVIRONMENTS,
    environment_not_found,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.assets import AssetKind
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import Document, State

_SHORT_ID: Final = re.compile(
    r"azureml:(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@(?P<label>[^/:@]+))?"
)
_ID: Final = re.compile(
    r"(?P<workspace>/subscriptions/.+/workspaces/[^/]+)/(?P<segment>[^/]+)/(?P<name>[^/]+)"
    r"(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?",
    re.IGNORECASE,
)
_FIELDS: Final[Kind] = {
    **DESCRIBED,
    "jobType": str,
    "displayName": str,
    "experimentName": str,
    "command": str,
    "environmentId": str,
    "codeId": str,
    "computeId": str,
    "environmentVariables": dict,
    "inputs": Each({"jobInputType": str, "uri": str, "mode": str}),
    "outputs": Each(
        {
            "jobOutputType": str,
            "uri": str,
            "mode": str,
            "assetName": str,
            "assetVersion": str,
        }
    ),
    "services": Each(dict),
    "resources": {
        "instanceCount": int,
        "instanceType": str,
        "shmSize": str,
        "dockerArgs": str,
        "properties": dict,
    },
    "distribution": {
        "distributionType": str,
        "processCountPerInstance": int,
        "workerCount": int,
        "parameterServerCount": int,
        "port": int,
        "address": str,
        "includeDashboard": bool,
        "dashboardPort": int,
        "headNodeAdditionalArgs": str,
        "workerNodeAdditionalArgs": str,
    },
    "limits": {"timeout": str},
    "queueSettings": {"jobTier": str, "priority": int},
}


def check_job_fields(job: Mapping[str, Any]) -> None:
    """Check that the fields of a job are of the kind they have to be.

    Args:
        job: the properties the client sent.

    Raises:
        ServiceError: 400.
    """
    check_fields(job, _FIELDS)


def check_job(state: State, key: WorkspaceKey, job: Mapping[str, Any]) -> None:
    """Check a job as the service does when it is submitted; input URIs are not among it.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        job: the properties the client sent, their fields checked already.

    Raises:
        ServiceError: 400 for a job that is incomplete or of a type that is not emulated, 404 for a
            reference to something that does not exist.
    """
    if (kind := job.get("jobType")) != "Command":
        raise invalid(
            f"Jobs of type {kind} are not supported by the emulator, only Command, Sweep and "
            "Pipeline are.",
            "JobTypeNotSupported",
        )
    for field in ("command", "environmentId"):
        if not (job.get(field) or "").strip():
            raise invalid(f"The {field[0].upper()}{field[1:]} field is required.")
    if "IsLocal" in ((job.get("resources") or {}).get("properties") or {}):
        raise invalid(
            "Local runs are not supported by the emulator: name a compute.", "LocalRunNotSupported"
        )
    if (job.get("computeId") or "").lower().endswith("/computes/datafactory"):
        raise invalid(
            "Import jobs are not supported by the emulator: name a compute of the workspace.",
            "ImportJobNotSupported",
        )
    if "/virtualclusters/" in (job.get("computeId") or "").lower():
        raise invalid(
            "Virtual clusters are not supported by the emulator: name a compute of the workspace.",
            "VirtualClusterNotSupported",
        )
    find_environment(state, key, job["environmentId"])
    if code := job.get("codeId"):
        find_code(state, key, code)
    if (compute := job.get("computeId")) and not compute_exists(state, key, compute):
        raise compute_not_found()


def find_environment(state: State, key: WorkspaceKey, reference: str) -> Document:
    """Give the version of an environment that a job names.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        reference: its ARM id, or `azureml:NAME:VERSION`; without a version the latest one.

    Raises:
        ServiceError: 404, or 400 for one of a registry: those are not emulated.
    """
    found = referenced(key, ENVIRONMENTS, reference)
    if found is None and "azureml://registries/" in reference.lower():
        raise invalid(
            f"Environments of registries are not supported by the emulator: {reference}. "
            "Register the environment in the workspace.",
            "RegistryNotSupported",
        )
    if found is None:
        raise environment_not_found(reference)
    name, version = found
    if version:
        return ENVIRONMENTS.version(state, key, name, version)
    return ENVIRONMENTS.latest(state, key, name)


def find_code(state: State, key: WorkspaceKey, reference: str) -> Document:
    """Give the version of a code asset that a job names.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        reference: its ARM id, or `azureml:NAME:VERSION`.

    Raises:
        ServiceError: 404.
    """
    found = referenced(key, CODES, reference)
    if found is None or not found[1]:
        raise code_not_found(reference)
    return CODES.version(state, key, *found)


def referenced(key: WorkspaceKey, kind: AssetKind, reference: str) -> tuple[str, str] | None:
    """Read the name and the version out of a reference; None when it leads elsewhere.

    Args:
        key: the workspace.
        kind: what is referred to.
        reference: its ARM id, or `azureml:NAME:VERSION`; without a version it is empty.
    """
    if short := _SHORT_ID.fullmatch(reference):
        found = short
    elif (whole := _ID.fullmatch(reference.removeprefix("azureml:"))) and (
        whole["workspace"].lower() == key.storage_key and whole["segment"].lower() == kind.segment
    ):
        found = whole
    else:
        return None
    if found["label"] not in (None, "latest"):
        return None
    return found["name"], found["version"] or ""
