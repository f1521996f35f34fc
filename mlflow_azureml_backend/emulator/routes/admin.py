"""Administration of the emulator itself: health, workspaces, browsers and its end."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import RedirectResponse, Response

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.emulator.authentication import ADMINISTRATION, BROWSER, COOKIE
from mlflow_azureml_backend.emulator.endpoint import HEALTH_PATH, PRODUCT
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.new_workspace import open_workspace
from mlflow_azureml_backend.emulator.resources import WorkspaceKey
from mlflow_azureml_backend.emulator.routing import Call, Route, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN_LIFETIME: Final = timedelta(hours=1)
_LINK_LIFETIME: Final = timedelta(minutes=2)
_COOKIE_LIFETIME: Final = timedelta(days=7)
_LINK: Final = "browser-link"


def health(call: Call) -> Response:
    """Say which process answers here; anybody on this machine may ask."""
    del call
    return json_response({"product": PRODUCT, "version": __version__, "pid": os.getpid()})


def status(call: Call) -> Response:
    """Say what the emulator does at the moment."""
    settings = call.emulation.settings
    return json_response(
        {
            "pid": os.getpid(),
            "address": call.emulation.address,
            "root": str(settings.root),
            "region": settings.region,
            "runtime": settings.runtime,
            "idle_seconds": settings.idle_seconds,
            "running_jobs": call.emulation.jobs.running(),
        }
    )


def issue_token(call: Call) -> Response:
    """Give a token for these routes to whoever knows the client secret (form or JSON)."""
    if call.headers.get("content-type", "").startswith("application/json"):
        secret = str(call.json().get("client_secret", ""))
    else:
        secret = dict(parse_qsl(call.body.decode("utf-8", "replace"))).get("client_secret", "")
    identity = call.emulation.identity
    if not identity.is_secret(secret):
        raise ServiceError(401, "Unauthorized", "This is not the client secret.", arm=True)
    token = identity.token(
        subject=identity.client_id, audience=ADMINISTRATION, lifetime=_TOKEN_LIFETIME
    )
    return json_response({"token": token, "expires_in": int(_TOKEN_LIFETIME.total_seconds())})


def stop(call: Call) -> Response:
    """Begin an orderly end: running jobs are canceled, and the process is gone soon after."""
    call.emulation.request_stop()
    return json_response({"pid": os.getpid()}, 202)


def put_workspace(call: Call) -> Response:
    """Create a workspace of its own, with default computes and datastores."""
    key = WorkspaceKey(
        subscription_id=call.params["subscription"],
        resource_group=call.params["group"],
        name=call.params["workspace"],
    )
    created = open_workspace(call.emulation.state, call.emulation.blobs, key)
    return json_response({"id": key.arm_id}, 201 if created else 200)


def make_link(call: Call) -> Response:
    """Make a link that lets one browser in, once, within two minutes."""
    target = call.query.get("to", "/")
    if not target.startswith("/") or target[1:2] in {"/", "\\"}:
        raise ServiceError(
            400,
            "BadRequest",
            "`to` is a path on the emulator, so it begins with one slash.",
            arm=True,
        )
    ticket = secrets.token_urlsafe(32)
    call.emulation.state.put(_LINK, "", _digest(ticket), "", {"to": target})
    query = urlencode({"ticket": ticket})
    return json_response({"url": f"{call.emulation.address}/_emulator/enter?{query}"}, 201)


def enter(call: Call) -> Response:
    """Let the browser in that follows a link, and send it where the link was made for."""
    state, identity = call.emulation.state, call.emulation.identity
    digest = _digest(call.query.get("ticket", ""))
    link = state.get(_LINK, "", digest)
    # Two browsers may come at once: the one that deletes the link has used it.
    used = link is None or not state.delete(_LINK, "", digest)
    if link is None or used or datetime.now(timezone.utc) - link.created > _LINK_LIFETIME:
        raise ServiceError(
            401,
            "Unauthorized",
            "This link was used before or is too old. Ask `mlflow-azureml emulator open` for "
            "another.",
            arm=True,
        )
    response = RedirectResponse(link.body["to"], 303)
    response.set_cookie(
        COOKIE,
        identity.token(subject=identity.client_id, audience=BROWSER, lifetime=_COOKIE_LIFETIME),
        max_age=int(_COOKIE_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
    )
    return response


def _for_administrators(handle: Callable[[Call], Response]) -> Callable[[Call], Response]:
    def guarded(call: Call) -> Response:
        if call.principal is None or call.principal.audience != ADMINISTRATION:
            raise ServiceError(403, "Forbidden", "A browser may not do this.", arm=True)
        return handle(call)

    return guarded


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()


def _open(method: str, path: str, handle: Callable[[Call], Response]) -> Route:
    return Route(service="local", method=method, path=path, handle=handle, open=True)


def closed(method: str, path: str, handle: Callable[[Call], Response]) -> Route:
    """Bind a function to requests of administrators, who know the client secret."""
    guarded = _for_administrators(handle)
    return Route(service="local", method=method, path=path, handle=guarded)


ROUTES: Final = (
    _open("GET", HEALTH_PATH, health),
    _open("POST", "/_emulator/token", issue_token),
    _open("GET", "/_emulator/enter", enter),
    closed("GET", "/_emulator/status", status),
    closed("POST", "/_emulator/stop", stop),
    closed("PUT", "/_emulator/workspaces/{subscription}/{group}/{workspace}", put_workspace),
    closed("POST", "/_emulator/browser-link", make_link),
)
