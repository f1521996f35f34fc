"""Key Vault: the secrets of the workspaces' vaults, each by its versions."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.authentication import bearer_token
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.routing import Call, Route, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

_KIND: Final = "secret"
_AUDIENCE: Final = "https://vault.azure.net"


def _put(call: Call) -> Response:
    """Add a version to a secret."""
    _check(call)
    sent = call.json()
    if not isinstance(sent.get("value"), str):
        raise _refusal(400, "BadParameter", "The request body has to have a text 'value'.")
    now, version = int(time.time()), uuid.uuid4().hex
    body = {
        "value": sent["value"],
        "contentType": sent.get("contentType"),
        "tags": sent.get("tags") or {},
        "attributes": {"enabled": True, "created": now, "updated": now}
        | (sent.get("attributes") or {}),
        "version": version,
    }
    state, name = call.emulation.state, call.params["name"].lower()
    state.put(_KIND, call.host, name, version, body)
    state.put(_KIND, call.host, name, "", body)  # the newest
    return json_response(_shown(call, body))


def _get(call: Call) -> Response:
    _check(call)
    name, version = call.params["name"], call.params.get("version", "")
    document = call.emulation.state.get(_KIND, call.host, name.lower(), version)
    if document is None:
        raise _refusal(
            404,
            "SecretNotFound",
            f"A secret with (name/id) {name}{'/' if version else ''}{version} was not found in "
            "this key vault.",
        )
    expires = document.body["attributes"].get("exp")
    if expires is not None and expires < time.time():
        raise _refusal(403, "Forbidden", "Operation get is not allowed on an expired secret.")
    return json_response(_shown(call, document.body))


def _shown(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    shown = {key: body[key] for key in ("value", "contentType", "tags", "attributes")}
    identifier = f"https://{call.host}/secrets/{call.params['name']}/{body['version']}"
    return {key: value for key, value in shown.items() if value is not None} | {"id": identifier}


def _check(call: Call) -> None:
    """Check that the token is for vaults; a client without one is told where to get it."""
    identity = call.emulation.identity
    challenge = {
        "WWW-Authenticate": f'Bearer authorization="https://login.microsoftonline.com/'
        f'{identity.tenant_id}", resource="{_AUDIENCE}"'
    }
    token = bearer_token(call.headers)
    if token is None:
        raise _refusal(401, "Unauthorized", "Request is missing a Bearer token.", challenge)
    if identity.verify(token).audience.rstrip("/") != _AUDIENCE:
        raise _refusal(401, "Unauthorized", "AKV10022: Invalid audience.", challenge)
    if not call.query.get("api-version"):
        raise _refusal(400, "BadParameter", "api-version must be specified.")


def _refusal(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> ServiceError:
    return ServiceError(status, code, message, arm=True, headers=headers or {})


ROUTES: Final = (
    Route(service="vault", method="PUT", path="/secrets/{name}", handle=_put, open=True),
    Route(service="vault", method="GET", path="/secrets/{name}", handle=_get, open=True),
    Route(service="vault", method="GET", path="/secrets/{name}/", handle=_get, open=True),
    Route(service="vault", method="GET", path="/secrets/{name}/{version}", handle=_get, open=True),
)
