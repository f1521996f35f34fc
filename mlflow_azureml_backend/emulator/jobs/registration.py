"""Outputs that become assets: a job names them, and finds them registered when it has completed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.job_outputs import output_uri
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.routes.data import DATA, MODELS

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State


def register_outputs(state: State, workspace: WorkspaceKey, job: str) -> None:
    """Register the outputs of a job that name an asset, as data or as models.

    An output without a version gets the next one, and the job says which: registering again, as
    after a restart, changes nothing.

    Args:
        state: the documents of the workspace.
        workspace: the workspace.
        job: the job's name.

    Raises:
        JobFailure: an asset of that name and version is somewhere else.
    """
    register = partial(_register, state, workspace, job)
    try:
        state.update("job", workspace.storage_key, job, "", register)
    except ServiceError as error:
        raise JobFailure(f"An output cannot be registered as an asset: {error.message}") from None


def _register(
    state: State, workspace: WorkspaceKey, job: str, properties: dict[str, Any]
) -> dict[str, Any]:
    for name, output in properties["outputs"].items():
        if not (asset := output.get("assetName")):
            continue
        kind, uri = output["jobOutputType"], output_uri(job, name, output)
        if kind.endswith("_model"):
            registry, sent = MODELS, {"modelUri": uri, "modelType": kind, "jobName": job}
        else:
            registry, sent = DATA, {"dataUri": uri, "dataType": kind}
        version = output["assetVersion"] or registry.next_version(state, workspace, asset)
        registry.put_version(state, workspace, asset, version, sent)
        output["assetVersion"] = version
    return properties
