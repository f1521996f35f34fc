"""Datastores: names for containers in storage accounts, and the secrets that open them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import DESCRIBED, Kind, check_fields, invalid
from mlflow_azureml_backend.emulator.resources import filled, resource, system_data
from mlflow_azureml_backend.emulator.routes.management import (
    managed,
    page,
    sent_properties,
    stored,
)
from mlflow_azureml_backend.emulator.routing import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import Document, State

ARTIFACT_STORE: Final = "workspaceartifactstore"
"""The datastore that holds the logs and artifacts of runs."""

ARTIFACT_CONTAINER: Final = "azureml"
"""The container behind `workspaceartifactstore`."""

DEFAULT_STORE: Final = "workspaceblobstore"
"""The datastore a new workspace uses where none is named."""

_KIND: Final = "datastore"
_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": None,
    "properties": None,
    "isDefault": False,
    "credentials": {"credentialsType": "None"},
    "datastoreType": "AzureBlob",
    "endpoint": "core.windows.net",
    "protocol": "https",
    "serviceDataAccessAuthIdentity": "None",
}
_SUPPORTED: Final = ("AzureBlob",)
_FIELDS: Final[Kind] = {
    **DESCRIBED,
    "datastoreType": str,
    "accountName": str,
    "containerName": str,
    "credentials": {"credentialsType": str, "secrets": dict},
}
_LONGEST_HOURS: Final = 24 * 7
_KEYS_AGAIN_FROM: Final = "2024-10"


def seed_datastores(state: State, key: WorkspaceKey) -> None:
    """Give a new workspace the two blob datastores that the service gives it."""
    for name, container, is_default, identity in (
        (DEFAULT_STORE, key.blob_container, True, "WorkspaceSystemAssignedIdentity"),
        (ARTIFACT_STORE, ARTIFACT_CONTAINER, False, "None"),
    ):
        properties = filled(
            _SHAPE,
            {
                "isDefault": is_default,
                "credentials": {"credentialsType": "AccountKey"},
                "accountName": key.storage_account,
                "containerName": container,
                "serviceDataAccessAuthIdentity": identity,
            },
        )
        state.put(_KIND, key.storage_key, name, "", properties)


def _list(call: Call) -> Response:
    key = call.workspace
    documents = call.emulation.state.list(_KIND, key.storage_key)
    if (wanted := call.query.get("isDefault")) is not None:
        is_default = wanted.lower() == "true"
        documents = [found for found in documents if found.body["isDefault"] == is_default]
    if names := call.query.get("names"):
        documents = [found for found in documents if found.name in names.split(",")]
    count = call.query.get("count", "30")
    if not count.isdecimal() or not int(count):
        raise invalid(f"The value '{count}' is not valid for count.")
    return page(call, documents, partial(_rendered, key), int(count))


def _get(call: Call) -> Response:
    key = call.workspace
    return json_response(_rendered(key, _found(call, key)))


def _put(call: Call) -> Response:
    """Store a datastore; its secrets stay here, and the answer never shows them.

    Raises:
        ServiceError: 400 for kinds of storage that are not emulated, and for a container that is
            not named.
    """
    key, name, sent = call.workspace, call.params["name"], sent_properties(call)
    check_fields(sent, _FIELDS)
    kind = sent.get("datastoreType")
    if kind not in _SUPPORTED:
        raise invalid(f"Datastore type {kind} is not supported by the emulator, only AzureBlob is.")
    for field in ("accountName", "containerName"):
        if not sent.get(field):
            raise invalid(f"The {field[0].upper()}{field[1:]} field is required.")
    state = call.emulation.state
    known = state.get(_KIND, key.storage_key, name)
    # Only the workspace itself says which datastore is its default.
    is_default = bool(known and known.body["isDefault"])
    credentials = filled(_SHAPE["credentials"], sent.get("credentials") or {})
    properties = filled(_SHAPE, {**sent, "isDefault": is_default, "credentials": credentials})
    created = state.put(_KIND, key.storage_key, name, "", properties)
    return stored(call, _rendered(key, _found(call, key)), created=created)


def _delete(call: Call) -> Response:
    """Forget a datastore; what it points to stays. An unknown one is 204, as ARM has it."""
    key = call.workspace
    deleted = call.emulation.state.delete(_KIND, key.storage_key, call.params["name"])
    return Response(status_code=200 if deleted else 204)


def _list_secrets(call: Call) -> Response:
    """Give what opens a datastore: the key of its account, or a signature for its container.

    The service was recorded to answer the key. Since 2023 clients ask for a secret that expires,
    and there they differ: azure-ai-ml 1.18 and later, with API versions up to 2024-07, takes
    nothing but a signature; since 1.35 (API version 2024-10) it signs the URLs of log files with
    the answer, which takes the key.
    """
    key = call.workspace
    datastore = _found(call, key).body
    if datastore["accountName"] == key.storage_account:
        wanted = call.json() if call.body else {}
        version = call.query.get("api-version", "")
        if wanted.get("expirableSecret") and version[:7] < _KEYS_AGAIN_FROM:
            return json_response(_signature(call, key, datastore["containerName"], wanted))
        account_key = call.emulation.blobs.account_key(key.storage_account)
        return json_response({"secretsType": "AccountKey", "key": account_key})
    credentials = datastore["credentials"]
    if given := credentials.get("secrets"):
        return json_response(given)
    return json_response({"secretsType": credentials["credentialsType"]})


def _signature(
    call: Call, key: WorkspaceKey, container: str, wanted: Mapping[str, Any]
) -> dict[str, str]:
    hours = wanted.get("expireAfterHours")
    lifetime = timedelta(
        hours=min(hours, _LONGEST_HOURS) if isinstance(hours, int) and hours > 0 else 1
    )
    url = call.emulation.blobs.sas_url(
        key.storage_account, container, None, permissions="racwdl", lifetime=lifetime
    )
    return {"secretsType": "Sas", "sasToken": url.partition("?")[2]}


def _found(call: Call, key: WorkspaceKey) -> Document:
    name = call.params["name"]
    document = call.emulation.state.get(_KIND, key.storage_key, name)
    if document is None:
        raise ServiceError(
            404, "UserError", f"Could not find datastore: {name}.", inner=("NotFoundError",)
        )
    return document


def _rendered(key: WorkspaceKey, document: Document) -> dict[str, Any]:
    properties = dict(document.body)
    properties["credentials"] = {
        name: value for name, value in properties["credentials"].items() if name != "secrets"
    }
    # The service itself made the ones a new workspace has.
    by = "Application" if document.name in (DEFAULT_STORE, ARTIFACT_STORE) else "User"
    return resource(key, f"datastores/{document.name}", properties, system_data(document, by=by))


ROUTES: Final = (
    *managed("GET", "/datastores", _list),
    *managed("GET", "/datastores/{name}", _get),
    *managed("PUT", "/datastores/{name}", _put),
    *managed("DELETE", "/datastores/{name}", _delete),
    *managed("POST", "/datastores/{name}/listSecrets", _list_secrets),
)
