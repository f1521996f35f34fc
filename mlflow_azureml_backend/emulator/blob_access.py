"""Who may do what in blob storage: signatures, the account's key, and tokens for storage."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.authentication import STORAGE, bearer_token
from mlflow_azureml_backend.emulator.blob_call import account_of
from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError
from mlflow_azureml_backend.emulator.sas import shared_key_signature, verified_access

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.routing import Call

EVERYTHING: Final = "racwdl"
"""The permissions of whoever has the account's key or a token for storage."""

_OLDEST_REQUEST: Final = timedelta(minutes=15)


def authorize(call: Call, needed: str) -> str:
    """Say what the caller may do, if that is anything of what is needed.

    Args:
        call: the request; its host names the storage account.
        needed: letters of permissions, any of which is enough; empty when a signature never is.

    Returns:
        The letters of all permissions the caller has.

    Raises:
        BlobError: 401 or 403, with Azure's codes.
    """
    account = account_of(call)
    if "authorization" in call.headers:
        if bearer_token(call.headers) is not None:
            _verify_token(call)
        else:
            _verify_shared_key(call, account)
        return EVERYTHING
    if "sig" not in call.query:
        raise _unauthenticated(
            call, "NoAuthenticationInformation", "The request carries no authentication."
        )
    container, blob = call.params.get("container", ""), call.params.get("blob", "")
    key = call.emulation.blobs.account_key(account)
    access = verified_access(call.query, account, container, blob, key)
    if not set(needed) & set(access.permissions) or (not blob and access.resource != "c"):
        raise permission_mismatch()
    return access.permissions


def permission_mismatch() -> BlobError:
    """Build the error for a caller who is known but may not do this."""
    return BlobError(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )


def _verify_token(call: Call) -> None:
    token = bearer_token(call.headers) or ""
    try:
        principal = call.emulation.identity.verify(token)
    except ServiceError as error:
        raise _unauthenticated(call, "InvalidAuthenticationInfo", error.message) from None
    if principal.audience.rstrip("/") != STORAGE:
        raise _unauthenticated(
            call,
            "InvalidAuthenticationInfo",
            f"The token is for '{principal.audience}' and not for '{STORAGE}'.",
        )


def _verify_shared_key(call: Call, account: str) -> None:
    scheme, _, credential = call.headers["authorization"].partition(" ")
    named, _, signature = credential.partition(":")
    expected = shared_key_signature(
        call.method,
        call.raw_path,
        call.query,
        call.headers,
        account,
        call.emulation.blobs.account_key(account),
    )
    if (
        scheme != "SharedKey"
        or named != account
        or not hmac.compare_digest(expected.encode(), signature.encode())
    ):
        raise _forbidden("The MAC signature found in the HTTP request is not the same as any.")
    sent = call.headers.get("x-ms-date") or call.headers.get("date", "")
    try:
        age = datetime.now(timezone.utc) - parsedate_to_datetime(sent)
    except (TypeError, ValueError):
        raise _forbidden("The date header in the request is incorrect.") from None
    if abs(age) > _OLDEST_REQUEST:
        raise _forbidden(f"Request date header too old: '{sent}'.")


def _forbidden(detail: str) -> BlobError:
    return BlobError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header "
        "is formed correctly including the signature.",
        details={"AuthenticationErrorDetail": detail},
    )


def _unauthenticated(call: Call, code: str, detail: str) -> BlobError:
    tenant = call.emulation.identity.tenant_id
    return BlobError(
        401,
        code,
        "Server failed to authenticate the request. Please refer to the information in the "
        "www-authenticate header.",
        details={"AuthenticationErrorDetail": detail},
        headers={
            "WWW-Authenticate": (
                f"Bearer authorization_uri=https://login.microsoftonline.com/{tenant}"
                f"/oauth2/authorize resource_id={STORAGE}"
            )
        },
    )
