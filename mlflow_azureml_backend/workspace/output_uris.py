"""Where the named outputs of a job lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import NotFoundError

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.connection import Connection

# The output that every job has: where the service keeps its artifacts.
_ARTIFACTS = "default"

# What run history calls models: another service knows where they lie.
_MODEL_TYPES = frozenset({"CustomModel", "MLFlowModel", "TritonModel"})


def output_uris(connection: Connection, job_name: str) -> dict[str, str]:
    """Give the URI of each named output of an ended job, by its name.

    The job itself does not say where the service put an output: run history names its asset, and
    the asset's service its place.

    Args:
        connection: The workspace.
        job_name: The job.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    try:
        details = connection.json(
            "GET",
            f"{connection.api}/history/v1.0{connection.ref.arm_id}/runs/{job_name}/details",
            doing=f"reading the outputs of job '{job_name}'",
        )
    except NotFoundError:
        return {}  # a run that is no job's has artifacts alone
    named = {
        name: asset
        for name, asset in (details.get("outputs") or {}).items()
        if name != _ARTIFACTS and asset.get("assetId")
    }
    models = {asset["assetId"] for asset in named.values() if asset.get("type") in _MODEL_TYPES}
    data = {asset["assetId"] for asset in named.values()} - models
    places = {
        **_places(connection, "data/v1.0", "dataversion", data, "uri"),
        **_places(connection, "modelregistry/v1.0", "models", models, "path"),
    }
    return {
        name: places[asset["assetId"]]
        for name, asset in sorted(named.items())
        if asset["assetId"] in places
    }


def _places(
    connection: Connection, service: str, kind: str, asset_ids: set[str], field: str
) -> dict[str, str]:
    if not asset_ids:
        return {}
    answer = connection.json(
        "POST",
        f"{connection.api}/{service}{connection.ref.arm_id}/{kind}/batchGetResolvedUris",
        body={"values": sorted(asset_ids)},
        doing="looking for the outputs of a job",
    )
    values = answer.get("values") or {}
    return {key: str(place[field]) for key, place in values.items() if place.get(field)}
