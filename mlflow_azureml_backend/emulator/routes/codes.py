"""Code assets: found by the hash of their content, uploaded to a container of their own."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.assets import AssetKind
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import DESCRIBED, invalid
from mlflow_azureml_backend.emulator.routes.assets import version_routes
from mlflow_azureml_backend.emulator.routes.management import managed, page
from mlflow_azureml_backend.emulator.routing import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call

_UPLOAD_LIFETIME: Final = timedelta(hours=8)
_UPLOADS: Final = uuid.UUID("2ab8a4b5-5f0b-5c1e-8e0b-9d2a55c1a8f7")

_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
    "codeUri": None,
    "provisioningState": "Succeeded",
}


def code_not_found(name: str, version: str = "") -> ServiceError:
    """Build the 404 for a code asset."""
    del name, version
    return ServiceError(404, "UserError", "The specified resource was not found.")


def _accept(key: WorkspaceKey, sent: Mapping[str, Any]) -> dict[str, Any]:
    del key
    if not sent.get("codeUri"):
        raise invalid("The CodeUri field is required.")
    # The service answers false whatever the client said.
    return {**sent, "isAnonymous": False}


CODES: Final = AssetKind(
    kind="code",
    segment="codes",
    fields={**DESCRIBED, "codeUri": str},
    shape=_SHAPE,
    accept=_accept,
    missing_version=code_not_found,
    missing_container=code_not_found,
)
"""How code assets are stored and found."""


def _list_versions(call: Call) -> Response:
    """List the versions of a name, or the assets of any name that hold the same content."""
    key, state = call.workspace, call.emulation.state
    if wanted := call.query.get("hash"):
        version = call.query.get("hashVersion")
        listed = [
            document
            for document in state.list(CODES.kind, key.storage_key)
            if _has_hash(document.body, wanted, version)
        ]
    else:
        listed = state.list(CODES.kind, key.storage_key, call.params["name"])
    return page(call, listed, partial(CODES.rendered, key))


def _has_hash(code: Mapping[str, Any], wanted: str, version: str | None) -> bool:
    properties = code.get("properties") or {}
    if properties.get("hash_sha256") != wanted:
        return False
    return version is None or properties.get("hash_version") == version


def _start_pending_upload(call: Call) -> Response:
    """Give a container to upload to, and a signature to do it with.

    The answer's type is `None` although the request asked for a temporary reference: so it was
    recorded.
    """
    key = call.workspace
    asset = f"{key.guid}/{call.params['name']}/{call.params['version']}"
    container = f"{key.guid[:10]}-{uuid.uuid5(_UPLOADS, asset)}"
    account = key.storage_account
    sas = call.emulation.blobs.sas_url(
        account, container, None, permissions="rcwl", lifetime=_UPLOAD_LIFETIME
    )
    return json_response(
        {
            "blobReferenceForConsumption": {
                "blobUri": f"https://{account}.blob.core.windows.net:443/{container}",
                "storageAccountArmId": (
                    f"/subscriptions/{key.subscription_id}/resourceGroups/{key.resource_group}"
                    f"/providers/Microsoft.Storage/storageAccounts/{account}"
                ),
                "credential": {"credentialType": "SAS", "sasUri": sas},
            },
            "pendingUploadId": str(uuid.uuid4()),
            "pendingUploadType": "None",
        }
    )


ROUTES: Final = (
    *managed("GET", "/codes/{name}/versions", _list_versions),
    *managed("POST", "/codes/{name}/versions/{version}/startPendingUpload", _start_pending_upload),
    *version_routes(CODES),
)
