"""Tokens for jobs: what a compute's identity endpoint and the on-behalf-of endpoint answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.job_environment import MSI_PATH, OBO_PATH
from mlflow_azureml_backend.emulator.routing import Call, Route, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

_LIFETIME: Final = timedelta(hours=1)


def _managed(call: Call) -> Response:
    """Answer azure-identity's AzureMLCredential, which shows the secret in a header."""
    return _issued(call, call.headers.get("secret", ""))


def _on_behalf_of(call: Call) -> Response:
    return _issued(call, call.query.get("run", ""))


def _issued(call: Call, run_token: str) -> Response:
    identity = call.emulation.identity
    run = identity.verify(run_token).claims.get("runId")
    resource = call.query.get("resource", "").removesuffix("/.default").rstrip("/")
    if run is None or not resource:
        raise ServiceError(
            400, "invalid_request", "A job asks here for a token, with `resource`.", arm=True
        )
    token = identity.token(
        subject=identity.client_id, audience=resource, lifetime=_LIFETIME, claims={"runId": run}
    )
    expires = int((datetime.now(timezone.utc) + _LIFETIME).timestamp())
    return json_response(
        {
            "access_token": token,
            "client_id": identity.client_id,
            "expires_in": str(int(_LIFETIME.total_seconds())),
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        },
        headers={"Cache-Control": "no-store"},
    )


ROUTES: Final = tuple(
    Route(service="local", method="GET", path=path, handle=handle, open=True)
    for path, handle in ((MSI_PATH, _managed), (OBO_PATH, _on_behalf_of))
)
