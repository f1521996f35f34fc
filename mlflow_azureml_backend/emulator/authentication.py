"""Who asks: bearer tokens at the services, and the secret or a browser's cookie at the front."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.identity import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.identity import Issuer

ADMINISTRATION: Final = "urn:mlflow-azureml-emulator:administration"
"""The audience of tokens for the emulator's own administration."""

BROWSER: Final = "urn:mlflow-azureml-emulator:browser"
"""The audience of the tokens in browsers' cookies."""

COOKIE: Final = "mlflow-azureml-emulator"
"""The name of that cookie."""

STORAGE: Final = "https://storage.azure.com"
"""The audience of tokens for blob storage."""

_ARM_AUDIENCES: Final = frozenset(
    {"https://management.azure.com", "https://management.core.windows.net"}
)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Give the bearer token of a request, or None.

    Args:
        headers: the headers, their names in lower case.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def management_principal(headers: Mapping[str, str], identity: Issuer) -> Principal:
    """Say who asks Azure Resource Manager.

    Raises:
        ServiceError: 401 in ARM's own form.
    """
    token = bearer_token(headers)
    if token is None:
        raise ServiceError(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
            arm=True,
            headers=identity.challenge(),
        )
    principal = identity.verify(token)
    if principal.audience.rstrip("/") not in _ARM_AUDIENCES:
        raise ServiceError(
            401,
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource "
            f"'{principal.audience}'. It should exactly match with one of the allowed audiences "
            f"'{', '.join(sorted(_ARM_AUDIENCES))}'.",
            arm=True,
            headers=identity.challenge(),
        )
    return principal


def workspace_principal(headers: Mapping[str, str], identity: Issuer) -> Principal:
    """Say who asks the services of a workspace: a client, or a job with its run's token.

    Raises:
        ServiceError: 401 in Azure ML's form.
    """
    token = bearer_token(headers)
    if token is None:
        raise ServiceError(
            401, "UserError", "Bearer token not provided.", inner=("Authorization", "TokenMissing")
        )
    try:
        return identity.verify(token)
    except ServiceError as error:
        raise ServiceError(
            error.status,
            "UserError",
            error.message,
            inner=("Authorization", "InvalidOrExpiredToken"),
            headers=error.headers,
        ) from None


def front_principal(method: str, headers: Mapping[str, str], emulation: Emulation) -> Principal:
    """Say who asks the front itself: who knows the client secret, or a browser it let in.

    Raises:
        ServiceError: 401; nobody else may.
    """
    identity = emulation.identity
    if (secret := headers.get("x-emulator-secret")) is not None and identity.is_secret(secret):
        return Principal(subject=identity.client_id, audience=ADMINISTRATION, claims={})
    token, accepted = bearer_token(headers), ADMINISTRATION
    if token is None:
        token, accepted = _cookie(headers), BROWSER
        # A page of another local server is of the same site, so its requests carry the cookie.
        if method not in _SAFE_METHODS and headers.get("origin") != emulation.address:
            token = None
    if token is not None:
        try:
            principal = identity.verify(token)
        except ServiceError:
            pass
        else:
            if principal.audience == accepted:
                return principal
    raise ServiceError(
        401,
        "Unauthorized",
        "Ask `mlflow-azureml emulator open` for a link, or send the client secret in the header "
        "X-Emulator-Secret.",
        arm=True,
    )


def _cookie(headers: Mapping[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value
