"""The body of a pipeline job: what a client sent, and all that the service adds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.job_body import new_job
from mlflow_azureml_backend.emulator.resources import as_texts, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "displayName": None,
    "status": "Preparing",
    "experimentName": "Default",
    "services": {},
    "computeId": None,
    "isArchived": False,
    "identity": None,
    "componentId": None,
    "notificationSetting": None,
    "secretsConfiguration": None,
    "jobType": "Pipeline",
    "settings": {},
    "jobs": {},
    "inputs": {},
    "outputs": {},
    "sourceJobId": None,
}


def new_pipeline(name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Build the properties of a pipeline that was just submitted.

    Args:
        name: the pipeline's name.
        sent: the properties the client sent; they are checked already.
    """
    common = new_job(name, {**sent, "resources": None, "codeId": None, "limits": None})
    # Unlike that of other jobs, its answer does not say where its artifacts are.
    del common["outputs"]["default"]
    job = filled(_SHAPE, {field: common[field] for field in _SHAPE if field in common})
    job["jobType"], job["status"] = "Pipeline", "Preparing"
    job["settings"] = dict(sent.get("settings") or {})
    job["jobs"] = dict(sent["jobs"])
    job["properties"] = {**as_texts(sent.get("properties")), **_system_properties(job)}
    return job


def continues_on_failure(pipeline: Mapping[str, Any]) -> bool:
    """Tell whether a pipeline goes on with what does not need a step that has failed.

    The service does, as of 2023, when it is not told.

    Args:
        pipeline: its properties.
    """
    said = pipeline["settings"].get("continue_on_step_failure")
    return said is None or str(said).lower() == "true"


def _system_properties(job: Mapping[str, Any]) -> dict[str, str]:
    settings = job["settings"]
    compute = str(job["computeId"] or settings.get("default_compute") or "")
    store = str(settings.get("default_datastore") or "workspaceblobstore")
    literals = {
        name: value["value"]
        for name, value in job["inputs"].items()
        if value["jobInputType"] == "literal"
    }
    found = {
        "azureml.DevPlatv2": "true",
        "azureml.DatasetAccessMode": "Asset",
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "MFE",
        "runType": "HTTP",
        "azureml.parameters": json.dumps(literals),
        "azureml.continue_on_step_failure": str(continues_on_failure(job)),
        "azureml.continue_on_failed_optional_input": "True",
        "azureml.enforceRerun": str(str(settings.get("force_rerun")).lower() == "true"),
        "azureml.defaultDataStoreName": store.rpartition("/")[2],
        "azureml.pipelineComponent": "pipelinerun",
    }
    if compute:
        found["azureml.defaultComputeName"] = compute.rpartition("/")[2]
    return found
