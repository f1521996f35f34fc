"""The tenant of an emulator: the one application that may sign in, and the tokens it gets."""

from __future__ import annotations

import hmac
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import jwt

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.lifetimes import token_lifetime
from mlflow_azureml_backend.emulator.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ALGORITHM: Final = "HS256"
_CHALLENGE: Final = (
    'Bearer authorization_uri="https://login.microsoftonline.com/{tenant}", error="invalid_token"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Say who a token was issued to.

    Args:
        subject: who asks: the client id, or what `Issuer.token` was told.
        audience: the service the token is meant for.
        claims: all claims of the token.
    """

    subject: str
    audience: str
    claims: Mapping[str, Any]


class Issuer:
    """Sign and check the tokens of this emulator, as its Microsoft Entra tenant.

    Tenant, client, secret and signing key are made once for each state directory and kept there
    in a file that only its owner can read.

    Args:
        file: where they are kept.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            # Nobody else writes here: one emulator holds the lock of its state directory.
            write_private(file, json.dumps(_new_tenant()).encode())
        kept = json.loads(file.read_bytes())
        self.tenant_id: str = kept["tenant_id"]
        self.client_id: str = kept["client_id"]
        self.client_secret: str = kept["client_secret"]
        self._signing_key: str = kept["signing_key"]

    @property
    def issuer(self) -> str:
        """Name the issuer, as the `iss` claim of version 1 tokens does."""
        return f"https://sts.windows.net/{self.tenant_id}/"

    def challenge(self) -> dict[str, str]:
        """Give the header that tells a client where tokens are issued."""
        return {"WWW-Authenticate": _CHALLENGE.format(tenant=self.tenant_id)}

    def is_secret(self, secret: str) -> bool:
        """Tell whether this is the client secret, in a time that does not depend on it."""
        return hmac.compare_digest(secret.encode(), self.client_secret.encode())

    def derived_key(self, purpose: str) -> bytes:
        """Derive 64 bytes that are stable for this emulator and secret to others.

        Args:
            purpose: what the key is for; another purpose gives another key.
        """
        return hmac.digest(self._signing_key.encode(), purpose.encode(), "sha512")

    def token(
        self,
        *,
        subject: str,
        audience: str,
        lifetime: timedelta,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Sign a token.

        Args:
            subject: who it is issued to.
            audience: the service it is meant for.
            lifetime: how long it is good.
            claims: further claims; they cannot replace the ones every token has.
        """
        now = datetime.now(timezone.utc)
        payload = {
            "appid": self.client_id,
            "oid": subject,
            "ver": "1.0",
            **(claims or {}),
            "aud": audience,
            "iss": self.issuer,
            "tid": self.tenant_id,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + token_lifetime(lifetime),
            "uti": secrets.token_urlsafe(16),
        }
        return jwt.encode(payload, self._signing_key, algorithm=_ALGORITHM)

    def verify(self, token: str) -> Principal:
        """Check a token and say whose it is.

        Raises:
            ServiceError: 401 in ARM's form: expired, foreign or no token at all. The message says
                nothing of the token, which may be a real one that went astray.
        """
        try:
            claims = jwt.decode(
                token,
                self._signing_key,
                algorithms=[_ALGORITHM],
                issuer=self.issuer,
                options={"require": ["exp", "iss", "sub", "aud"], "verify_aud": False},
                leeway=5,
            )
        except jwt.ExpiredSignatureError:
            raise self.expired() from None
        except jwt.InvalidTokenError:
            raise self._refusal(
                "InvalidAuthenticationToken",
                "The access token is not from this emulator's tenant "
                f"'{self.tenant_id}'. Sign in with the client that `mlflow-azureml emulator env` "
                "names; credentials for Azure itself must not be sent to an emulator.",
            ) from None
        return Principal(subject=claims["sub"], audience=str(claims["aud"]), claims=claims)

    def expired(self) -> ServiceError:
        """Build the error, in ARM's form, for a token that was good once."""
        return self._refusal(
            "ExpiredAuthenticationToken", "The access token expired. Get a new one."
        )

    def _refusal(self, code: str, message: str) -> ServiceError:
        return ServiceError(401, code, message, arm=True, headers=self.challenge())


def _new_tenant() -> dict[str, str]:
    return {
        "tenant_id": str(uuid.uuid4()),
        "client_id": str(uuid.uuid4()),
        "client_secret": secrets.token_urlsafe(30),
        "signing_key": secrets.token_urlsafe(48),
    }
