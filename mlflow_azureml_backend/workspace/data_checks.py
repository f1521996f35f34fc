"""The assets and datastores that a job names, looked up before anything is created."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.data_uri import Place, asset_of, datastore_of, place_of
from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.workspace.uploads import opened_container

if TYPE_CHECKING:
    from mlflow_azureml_backend.data_spec import InputSpec
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"
_OWN_ASSET = re.compile(
    r"(?:azureml:)?(?P<workspace>/subscriptions/.+/workspaces/[^/]+)/(?P<segment>data|models)"
    r"/(?P<name>[^/]+)/(?P<kind>versions|labels)/(?P<version>[^/]+)",
    re.IGNORECASE,
)
_TYPE_OF = {"data": "dataType", "models": "modelType"}


def check_data(connection: Connection, spec: JobSpec) -> JobSpec:
    """Make sure that the assets and datastores that a job names exist.

    The service itself takes a job with any URI and lets it fail when it starts.

    Args:
        connection: The workspace.
        spec: The job.

    Returns:
        The job, whose inputs have the types of their assets and name them by ARM id.

    Raises:
        NotFoundError: Something does not exist; names what there is.
        WorkspaceError: The service refused, or could not be reached.
    """
    stores: dict[str, dict[str, Any]] = {}
    for group, bodies in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        for name, body in bodies.items():
            found = datastore_of(body.path or "")
            if found is None or not _is_own(connection, found["workspace"]):
                continue
            store = found["name"]
            if store not in stores and "${{" not in store:
                stores[store] = _datastore(connection, f"{group}.{name}", store)
            if group == "inputs" and stores[store].get("datastoreType") == "AzureBlob":
                _check_blob(connection, name, store, found["path"])
    checked = {name: _checked(connection, name, given) for name, given in spec.inputs.items()}
    return replace(spec, inputs=MappingProxyType(checked))


def _checked(connection: Connection, name: str, given: InputSpec) -> InputSpec:
    if given.path is None:
        return given
    short, own = asset_of(given.path), _OWN_ASSET.fullmatch(given.path)
    if short:
        segment = "models" if (given.type or "").endswith("_model") else "data"
        version, label = short["version"], short["label"]
        asset = short["name"]
    elif own and own["workspace"].lower() == connection.ref.arm_id.lower():
        segment, asset = own["segment"].lower(), own["name"]
        is_label = own["kind"].lower() == "labels"
        version, label = (None, own["version"]) if is_label else (own["version"], None)
    else:
        return given if given.type or place_of(given.path) is not Place.AZURE_ML else _guess(given)
    found = _asset(connection, f"inputs.{name}", segment, asset, version, label)
    kind = str(found["properties"].get(_TYPE_OF[segment]) or "uri_folder").lower()
    return replace(given, path=str(found["id"]), type=given.type or kind)


def _guess(given: InputSpec) -> InputSpec:
    """Type an asset of a registry or another workspace, which may be closed to this user."""
    is_model = "/models/" in (given.path or "")
    return replace(given, type="custom_model" if is_model else "uri_folder")


def _asset(
    connection: Connection,
    where: str,
    segment: str,
    name: str,
    version: str | None,
    label: str | None,
) -> dict[str, Any]:
    doing = f"looking for {name} of {where}"
    try:
        if label is not None:
            container = connection.arm("GET", f"/{segment}/{name}", api_version=_API, doing=doing)
            version = container["properties"].get("latestVersion") if label == "latest" else None
        if version is not None:
            return connection.arm(
                "GET", f"/{segment}/{name}/versions/{version}", api_version=_API, doing=doing
            )
    except NotFoundError as error:
        raise NotFoundError(_no_asset(connection, where, segment, name, version, label)) from error
    raise NotFoundError(_no_asset(connection, where, segment, name, version, label))


def _no_asset(
    connection: Connection,
    where: str,
    segment: str,
    name: str,
    version: str | None,
    label: str | None,
) -> str:
    kind = "model" if segment == "models" else "data asset"
    wanted = f"{name}@{label}" if label else f"{name}:{version}"
    page = connection.arm("GET", f"/{segment}", api_version=_API, doing=f"listing each {kind}")
    names = sorted(str(item["name"]) for item in page.get("value") or [])
    known = f"It has: {', '.join(names[:20])}." if names else f"It has no {kind}."
    versions = ""
    if name in names:
        found = connection.arm(
            "GET", f"/{segment}/{name}/versions", api_version=_API, doing=f"listing {name}"
        )
        listed = ", ".join(str(item["name"]) for item in (found.get("value") or [])[:20])
        known, versions = "", f"Versions of '{name}': {listed}; the one label is latest."
    other = (
        " A model is one by `type` (custom_model, mlflow_model or triton_model) in `inputs`."
        if segment == "data"
        else ""
    )
    return (
        f"{where}: there is no {kind} '{wanted}' in workspace "
        f"'{connection.ref.workspace_name}'. {known}{versions}{other}"
    )


def _is_own(connection: Connection, workspace: str | None) -> bool:
    """Tell whether the workspace that a URI names, or does not name, is this one."""
    if workspace is None:
        return True
    short = connection.ref.arm_id.replace("/providers/Microsoft.MachineLearningServices", "")
    names = {connection.ref.arm_id.lower(), short.lower()}
    return f"/{workspace}".lower() in names


def _check_blob(connection: Connection, name: str, store: str, path: str) -> None:
    """Make sure that there is data at a path, as far as this user can see."""
    doing = f"looking for the input '{name}'"
    try:
        # A user who cannot reach the storage, as a job can, should not have to wait for long.
        with opened_container(
            connection, store, doing=doing, retry_total=0, connection_timeout=5
        ) as container:
            there = next(iter(container.list_blob_names(name_starts_with=path.rstrip("/"))), None)
    except WorkspaceError:
        return
    if there is None and "*" not in path:
        raise NotFoundError(
            f"inputs.{name}: there is no '{path}' in datastore '{store}' of workspace "
            f"'{connection.ref.workspace_name}'."
        )


def _datastore(connection: Connection, where: str, name: str) -> dict[str, Any]:
    try:
        found = connection.arm(
            "GET", f"/datastores/{name}", api_version=_API, doing=f"looking for datastore '{name}'"
        )
        return dict(found["properties"])
    except NotFoundError as error:
        page = connection.arm("GET", "/datastores", api_version=_API, doing="listing datastores")
        names = ", ".join(str(item["name"]) for item in page.get("value") or [])
        raise NotFoundError(
            f"{where}: there is no datastore '{name}' in workspace "
            f"'{connection.ref.workspace_name}'. It has: {names}."
        ) from error
