"""Sign-in: the parts of login.microsoftonline.com that a client with a secret asks."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from starlette.responses import JSONResponse

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.lifetimes import token_lifetime
from mlflow_azureml_backend.emulator.routing import Call, Route, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

_AUTHORITY: Final = "https://login.microsoftonline.com"
_LIFETIME: Final = timedelta(hours=1)
_DEFAULT_SCOPE: Final = "/.default"


class SignInError(ServiceError):
    """Refuse to sign somebody in, with the envelope of Microsoft Entra.

    Args:
        status: the HTTP status.
        error: OAuth's code, for example `invalid_client`.
        number: the number behind `AADSTS`.
        message: for people; says nothing of the secret.
    """

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(status, error, message)
        self.number = number

    def response(self, region: str = "") -> Response:
        """Build the answer; the region does not matter here."""
        del region
        time = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        return JSONResponse(
            {
                "error": self.code,
                "error_description": (
                    f"AADSTS{self.number}: {self.message} Trace ID: {trace} "
                    f"Correlation ID: {correlation} Timestamp: {time}"
                ),
                "error_codes": [self.number],
                "timestamp": time,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": f"{_AUTHORITY}/error?code={self.number}",
            },
            self.status,
        )


def discover_instance(call: Call) -> Response:
    """Say which clouds there are: the public one alone."""
    tenant = call.emulation.identity.tenant_id
    return json_response(
        {
            "tenant_discovery_endpoint": (
                f"{_AUTHORITY}/{tenant}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": "login.microsoftonline.com",
                    "preferred_cache": "login.windows.net",
                    "aliases": ["login.microsoftonline.com", "login.windows.net"],
                }
            ],
        }
    )


def configure(call: Call) -> Response:
    """Describe the tenant (OpenID configuration)."""
    tenant = _tenant(call)
    base = f"{_AUTHORITY}/{tenant}"
    return json_response(
        {
            "issuer": f"{base}/v2.0",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
            "tenant_region_scope": "NA",
            "cloud_instance_name": "microsoftonline.com",
        }
    )


def issue_token(call: Call) -> Response:
    """Issue a token to the emulator's one client (client credentials grant)."""
    _tenant(call)
    form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
    client, secret = _credentials(call, form)
    identity = call.emulation.identity
    if form.get("grant_type") != "client_credentials":
        raise SignInError(
            400,
            "unsupported_grant_type",
            70003,
            "The emulator issues tokens for the grant type 'client_credentials' alone: sign in "
            "with the client and the secret that `mlflow-azureml emulator env` names.",
        )
    if client.lower() != identity.client_id:
        raise SignInError(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client}' was not found in the directory "
            f"'{identity.tenant_id}', which is the emulator's. Sign in with the client that "
            "`mlflow-azureml emulator env` names.",
        )
    if not identity.is_secret(secret):
        raise SignInError(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the "
            "one of this emulator (`mlflow-azureml emulator env` prints it).",
        )
    scope = form.get("scope", "")
    if not scope.endswith(_DEFAULT_SCOPE):
        raise SignInError(
            400,
            "invalid_scope",
            70011,
            f"The provided request must include a 'scope' input parameter of the form "
            f"'<resource>{_DEFAULT_SCOPE}'. The scope '{scope}' is not valid.",
        )
    token = identity.token(
        subject=identity.client_id,
        audience=scope.removesuffix(_DEFAULT_SCOPE),
        lifetime=_LIFETIME,
        claims={"idtyp": "app"},
    )
    seconds = int(token_lifetime(_LIFETIME).total_seconds())
    answer: dict[str, Any] = {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token,
    }
    return json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _tenant(call: Call) -> str:
    asked, own = call.params["tenant"], call.emulation.identity.tenant_id
    if asked.lower() != own:
        raise SignInError(
            400,
            "invalid_tenant",
            90002,
            f"Tenant '{asked}' not found. The emulator's tenant is '{own}'; credentials of any "
            "other must not be sent here.",
        )
    return own


def _credentials(call: Call, form: dict[str, str]) -> tuple[str, str]:
    if "client_assertion" in form:
        raise SignInError(
            401,
            "invalid_client",
            7000216,
            "The emulator's client signs in with its secret, not with an assertion.",
        )
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        client, _, secret = pair.partition(":")
        return unquote(client), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


ROUTES: Final = (
    Route(
        service="login",
        method="GET",
        path="/common/discovery/instance",
        handle=discover_instance,
        open=True,
    ),
    *(
        Route(
            service="login",
            method="GET",
            path=f"/{{tenant}}{version}/.well-known/openid-configuration",
            handle=configure,
            open=True,
        )
        for version in ("", "/v2.0")
    ),
    Route(
        service="login",
        method="POST",
        path="/{tenant}/oauth2/v2.0/token",
        handle=issue_token,
        open=True,
    ),
)
