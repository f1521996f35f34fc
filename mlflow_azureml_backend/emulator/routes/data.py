"""Data and model assets: names for places in storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.assets import AssetKind
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import DESCRIBED, Each, invalid
from mlflow_azureml_backend.emulator.routes.assets import asset_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_DATA_TYPES: Final = ("uri_file", "uri_folder", "mltable")
_SHORT_URI: Final = re.compile(r"azureml://(?P<place>datastores/.+)", re.IGNORECASE | re.DOTALL)
_LONG_URI: Final = re.compile(
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/(?P<place>workspaces/.+)",
    re.IGNORECASE | re.DOTALL,
)

_DATA_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
    "autoDeleteSetting": None,
    "dataUri": None,
    "dataType": "uri_folder",
    "intellectualProperty": None,
    "stage": None,
}
_MODEL_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
    "autoDeleteSetting": None,
    "flavors": {},
    "modelType": "custom_model",
    "modelUri": None,
    "jobName": None,
    "provisioningState": "Succeeded",
    "stage": None,
    "intellectualProperty": None,
    "datasets": None,
}


def long_uri(key: WorkspaceKey, uri: str, *, group_segment: str = "resourcegroups") -> str:
    """Write a datastore URI with its workspace, as assets come back; leave URLs alone.

    Args:
        key: the workspace.
        uri: for example `azureml://datastores/workspaceblobstore/paths/a.csv`.
        group_segment: how the resource group's segment is spelled: models write `resourceGroups`.
    """
    if short := _SHORT_URI.fullmatch(uri):
        subscription, group = key.subscription_id, key.resource_group
        place = f"workspaces/{key.name}/{short['place']}"
    elif long := _LONG_URI.fullmatch(uri):
        subscription, group, place = long["subscription"], long["group"], long["place"]
    else:
        return uri
    return f"azureml://subscriptions/{subscription}/{group_segment}/{group}/{place}"


def _accept_data(key: WorkspaceKey, sent: Mapping[str, Any]) -> dict[str, Any]:
    uri = sent.get("dataUri") or ""
    if not re.search("[a-zA-Z0-9_]", uri):
        raise invalid("The DataUri field is required.")
    if (sent.get("dataType") or "uri_folder") not in _DATA_TYPES:
        raise invalid(f"Data type has to be one of {', '.join(_DATA_TYPES)}.")
    referenced = [] if sent.get("referencedUris") is None else sent["referencedUris"]
    if not isinstance(referenced, list) or not all(isinstance(each, str) for each in referenced):
        raise invalid("The field properties.referencedUris has to be an array of strings.")
    uri = long_uri(key, uri)
    if (sent.get("dataType") or "uri_folder") == "uri_folder" and uri.startswith("azureml://"):
        uri = f"{uri.rstrip('/')}/"
    return {**sent, "dataUri": uri}


def _accept_model(key: WorkspaceKey, sent: Mapping[str, Any]) -> dict[str, Any]:
    uri = sent.get("modelUri") or ""
    if not re.search("[a-zA-Z0-9_]", uri):
        raise invalid("The ModelUri field is required.")
    return {**sent, "modelUri": long_uri(key, uri, group_segment="resourceGroups")}


def _data_version_not_found(name: str, version: str) -> ServiceError:
    return ServiceError(
        404,
        "UserError",
        f"Data version {name}:{version} (dataContainerName:version) not found.",
        inner=("NotFoundError",),
    )


def _data_container_not_found(name: str) -> ServiceError:
    return ServiceError(
        404, "UserError", f"{name} container was not found.", inner=("NotFoundError",)
    )


def _model_not_found(name: str, version: str = "") -> ServiceError:
    del name, version
    return ServiceError(404, "UserError", "The specified resource was not found.")


def _path_changed(name: str, version: str) -> ServiceError:
    del name, version
    return invalid("Asset paths cannot be updated.")


DATA: Final = AssetKind(
    kind="data",
    segment="data",
    fields={**DESCRIBED, "dataUri": str, "dataType": str},
    shape=_DATA_SHAPE,
    accept=_accept_data,
    missing_version=_data_version_not_found,
    missing_container=_data_container_not_found,
    fixed=("dataUri", "dataType"),
    changed=_path_changed,
    inherited=("dataType",),
    modified_by=False,
)
"""How data assets are stored and found."""

MODELS: Final = AssetKind(
    kind="model",
    segment="models",
    fields={**DESCRIBED, "modelUri": str, "modelType": str, "flavors": Each(dict)},
    shape=_MODEL_SHAPE,
    accept=_accept_model,
    missing_version=_model_not_found,
    missing_container=_model_not_found,
    fixed=("modelUri",),
    changed=_path_changed,
    lists_unknown=True,
)
"""How models are stored and found."""

ROUTES: Final = (*asset_routes(DATA), *asset_routes(MODELS))
