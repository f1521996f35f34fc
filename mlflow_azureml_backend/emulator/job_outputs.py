"""What a job reads and writes, as assets: what they are called, and where outputs lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import Document

ASSET_TYPES: Final = {
    "uri_file": "UriFile",
    "uri_folder": "UriFolder",
    "mltable": "MLTable",
    "custom_model": "CustomModel",
    "mlflow_model": "MLFlowModel",
    "triton_model": "TritonModel",
}
"""What run history calls the types of inputs and outputs."""


def output_asset(name: str, output: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Name the data asset that an output of a job is registered as.

    Args:
        name: the job.
        output: the name of the output.
        body: the output.

    Returns:
        The name and the version: the ones the job asked for, or the service's own.
    """
    if body.get("assetName"):
        return body["assetName"], body.get("assetVersion") or "1"
    return f"azureml_{name}_output_data_{output}", "1"


def output_uri(name: str, output: str, body: Mapping[str, Any]) -> str:
    """Say where an output of a job lies: where the job asked for, or where the service puts it.

    Args:
        name: the job.
        output: the name of the output.
        body: the output.
    """
    if uri := body.get("uri"):
        if output == "default":
            # Stored without `/paths/`, as the service answers it; resolved it is a proper URI.
            return f"{uri.replace('/ExperimentRun/', '/paths/ExperimentRun/', 1)}/"
        return str(uri)
    return f"azureml://datastores/workspaceblobstore/paths/azureml/{name}/{output}/"


def artifacts_uri(name: str) -> str:
    """Say where the artifacts of a job's run lie.

    Args:
        name: the job.
    """
    return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{name}/"


def input_assets(key: WorkspaceKey, job: Document, region: str) -> dict[str, Any]:
    """Name the assets of a job's inputs by the inputs' names; literals are no assets.

    Args:
        key: the workspace.
        job: the job.
        region: the workspace's region.
    """
    return {
        name: _reference(
            key, region, body["jobInputType"], f"azureml_{job.name}_input_data_{name}", "1"
        )
        for name, body in job.body["inputs"].items()
        if body["jobInputType"] in ASSET_TYPES
    }


def output_assets(
    key: WorkspaceKey, job: Document, run: Mapping[str, Any], region: str
) -> dict[str, Any]:
    """Name the assets of a job's outputs by the outputs' names; there are none before its end.

    Those of a pipeline are the assets of its steps.

    Args:
        key: the workspace.
        job: the job.
        run: the run as the engine keeps it.
        region: the workspace's region.
    """
    if job.body["status"] != "Completed":
        return {}
    if job.body["jobType"] == "Pipeline":
        artifacts = f"azureml_{job.name}_output_data_default"
        return {
            "default": _reference(key, region, "uri_folder", artifacts, "1"),
            **{
                name: _reference(key, region, body["type"], body["name"], body["version"])
                for name, body in (run.get("produced") or {}).items()
            },
        }
    return {
        name: _reference(key, region, body["jobOutputType"], *output_asset(job.name, name, body))
        for name, body in job.body["outputs"].items()
        if body["jobOutputType"] in ASSET_TYPES
    }


def _reference(
    key: WorkspaceKey, region: str, kind: str, name: str, version: str
) -> dict[str, str]:
    segment = "models" if kind.endswith("_model") else "data"
    return {
        "assetId": (
            f"azureml://locations/{region}/workspaces/{key.guid}/{segment}/{name}"
            f"/versions/{version}"
        ),
        "type": ASSET_TYPES[kind],
    }
