"""Signatures of blob storage, computed as Azure does: shared access signatures and shared keys."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "2021-10-04"
"""The version of the storage service that this module signs for (`sv`)."""

_OLDEST_VERSION: Final = "2020-12-06"
# What is signed, in order: the resource's path stands between the two.
_SIGNED_BEFORE: Final = ("sp", "st", "se")
_SIGNED_AFTER: Final = (
    *("si", "sip", "spr", "sv", "sr", "snapshot", "ses"),
    *("rscc", "rscd", "rsce", "rscl", "rsct"),
)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
# .NET writes seven decimals, `datetime` reads six.
_EXCESS_DECIMALS: Final = re.compile(r"(?<=\.\d{6})\d+")
_SHARED_KEY_HEADERS: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccess:
    """Grant access to one container or one blob for some time.

    Args:
        permissions: letters, for example `r` or `rcwl`.
        start: when it begins, in UTC; None means it already has.
        expiry: when it ends, in UTC.
        path: `container`, or `container/blob`.
        resource: `c` for a container with all its blobs, `b` for one blob.
    """

    permissions: str
    start: datetime | None
    expiry: datetime
    path: str
    resource: str

    def signed_query(self, account: str, key: str) -> str:
        """Give the query of a URL that carries this grant.

        Args:
            account: the storage account.
            key: its base64 key.
        """
        query = {
            "sv": VERSION,
            "sr": self.resource,
            "sp": self.permissions,
            "st": "" if self.start is None else self.start.strftime(_TIME),
            "se": self.expiry.strftime(_TIME),
            "spr": "https",
        }
        query = {name: value for name, value in query.items() if value}
        return urlencode({**query, "sig": service_signature(query, account, self.path, key)})


def service_signature(query: Mapping[str, str], account: str, path: str, key: str) -> str:
    """Sign a service SAS for blobs, of version 2020-12-06 or later.

    Args:
        query: the parameters of the SAS, decoded.
        account: the storage account.
        path: `container`, or `container/blob`.
        key: the account's base64 key.
    """
    before = [query.get(name, "") for name in _SIGNED_BEFORE]
    after = [query.get(name, "") for name in _SIGNED_AFTER]
    return _repeated_signature("\n".join([*before, f"/blob/{account}/{path}", *after]), key)


def verified_access(
    query: Mapping[str, str], account: str, container: str, blob: str, key: str
) -> SharedAccess:
    """Check the shared access signature of a request.

    Args:
        query: the request's parameters, decoded.
        account: the storage account that is asked.
        container: the container that is asked.
        blob: the blob that is asked; empty when the container is.
        key: the account's base64 key.

    Raises:
        BlobError: 403 AuthenticationFailed, with a detail that says why but never a signature.
    """
    if query.get("sv", "") < _OLDEST_VERSION or query.get("sr") not in {"b", "c"}:
        raise _failed(
            "Only service signatures (sr=b or sr=c) of version 2020-12-06 or later are understood."
        )
    path = container if query["sr"] == "c" else f"{container}/{blob}"
    expected = service_signature(query, account, path, key)
    if not hmac.compare_digest(expected.encode(), query.get("sig", "").encode()):
        raise _failed("Signature did not match.")
    now = datetime.now(timezone.utc)
    start = _time(query["st"]) if query.get("st") else None
    expiry = _time(query.get("se", ""))
    if now >= expiry or (start is not None and now < start):
        raise _failed(
            f"Signature not valid in the specified time frame: Start [{query.get('st', '')}] - "
            f"Expiry [{query.get('se')}] - Current [{now.strftime(_TIME)}]"
        )
    return SharedAccess(
        permissions=query.get("sp", ""),
        start=start,
        expiry=expiry,
        path=path,
        resource=query["sr"],
    )


def shared_key_signature(
    method: str,
    raw_path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    account: str,
    key: str,
) -> str:
    """Sign a request to blob storage with the account's key (`Authorization: SharedKey`).

    Args:
        method: the HTTP method.
        raw_path: the path as it was sent, percent-encoded.
        query: the parameters, decoded.
        headers: the headers, their names in lower case.
        account: the storage account.
        key: its base64 key.
    """
    plain = [headers.get(name, "") for name in _SHARED_KEY_HEADERS]
    if headers.get("content-length") == "0":
        plain[_SHARED_KEY_HEADERS.index("content-length")] = ""
    own = sorted((name for name in headers if name.startswith("x-ms-")), key=_collation)
    lines = [
        method,
        *plain,
        *(f"{name}:{headers[name]}" for name in own),
        f"/{account}{raw_path}",
        *(f"{name.lower()}:{query[name]}" for name in sorted(query)),
    ]
    return _signature("\n".join(lines), key)


def _collation(name: str) -> tuple[str, list[bool]]:
    # The service sorts by language rules: a hyphen counts only when nothing else differs, and an
    # underscore comes before digits and letters.
    return name.replace("-", "").replace("_", "!"), [letter == "-" for letter in name]


def _signature(text: str, key: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()


@lru_cache(maxsize=256)  # one signature opens many blobs
def _repeated_signature(text: str, key: str) -> str:
    return _signature(text, key)


@lru_cache(maxsize=256)
def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_EXCESS_DECIMALS.sub("", text).removesuffix("Z"))
    except ValueError:
        raise _failed(f"The time '{text}' is not in one of the ISO 8601 forms.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _failed(detail: str) -> BlobError:
    return BlobError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header "
        "is formed correctly including the signature.",
        details={"AuthenticationErrorDetail": detail},
    )
