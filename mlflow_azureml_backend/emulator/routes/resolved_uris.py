"""Where assets lie: clients ask for the places of a job's outputs by the ids of their assets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.field_checks import invalid
from mlflow_azureml_backend.emulator.job_outputs import ASSET_TYPES, artifacts_uri, output_uri
from mlflow_azureml_backend.emulator.routes.data import DATA, MODELS, long_uri
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Route, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import State

_ASSET_ID: Final = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<workspace>[^/]+)/(?:data|models)"
    r"/(?P<name>[^/]+)/versions/(?P<version>[^/]+)",
    re.IGNORECASE,
)
_OUTPUT: Final = re.compile(r"azureml_(?P<job>.+)_output_data_(?P<output>.+)", re.DOTALL)


def _resolve_data(call: Call) -> Response:
    """Answer the URI of each data asset; ids that lead nowhere are left out."""
    return json_response(
        {
            "values": {
                asset_id: {"uri": uri, "type": kind, "legacyDatasetType": None}
                for asset_id, uri, kind in _resolved(call)
            }
        }
    )


def _resolve_models(call: Call) -> Response:
    """Answer the path of each model; ids that lead nowhere are left out."""
    return json_response(
        {
            "values": {
                asset_id: {"path": uri, "modelType": kind}
                for asset_id, uri, kind in _resolved(call)
            }
        }
    )


def _resolved(call: Call) -> Iterator[tuple[str, str, str]]:
    key, state = call.workspace, call.emulation.state
    wanted = call.json().get("values")
    if not isinstance(wanted, list):
        raise invalid("The Values field is required.")
    for asset_id in wanted:
        parsed = _ASSET_ID.fullmatch(str(asset_id))
        if parsed is None or parsed["workspace"].lower() != key.guid:
            continue
        if found := _place(state, key, parsed["name"], parsed["version"]):
            uri, kind = found
            yield asset_id, long_uri(key, uri), ASSET_TYPES.get(kind, kind)


def _place(state: State, key: WorkspaceKey, name: str, version: str) -> tuple[str, str] | None:
    """Give the URI and the type of an asset: a registered one, or the output of a job."""
    for kind, uri, asset_type in (
        (DATA, "dataUri", "dataType"),
        (MODELS, "modelUri", "modelType"),
    ):
        document = state.get(kind.kind, key.storage_key, name, version)
        if document is not None:
            return document.body[uri], document.body[asset_type]
    if (unnamed := _OUTPUT.fullmatch(name)) is None:
        return None
    job = state.get("job", key.storage_key, unnamed["job"])
    output = job.body["outputs"].get(unnamed["output"]) if job else None
    if job is not None and output is None and unnamed["output"] == "default":
        return artifacts_uri(job.name), "uri_folder"  # a pipeline's, which does not name it
    if job is None or output is None:
        return None
    return output_uri(job.name, unnamed["output"], output), output["jobOutputType"]


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        service="api",
        method="POST",
        path=f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris",
        handle=_resolve_data,
    ),
    Route(
        service="api",
        method="POST",
        path=f"/modelregistry/v1.0{WORKSPACE}/models/batchGetResolvedUris",
        handle=_resolve_models,
    ),
)
