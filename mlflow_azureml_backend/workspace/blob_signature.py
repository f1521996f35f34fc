"""A shared access signature for a container, made with its account's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

_VERSION = "2021-08-06"
_LIFETIME = timedelta(hours=8)
# What else a signature could say, after its resource: nothing.
_UNSAID = ("",) * 7


def container_signature(account: str, container: str, key: str) -> str:
    """Sign for reading, listing and writing the blobs of a container, for some hours.

    Args:
        account: The storage account.
        container: The container.
        key: The account's base64 key.
    """
    expiry = (datetime.now(timezone.utc) + _LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"sp": "rcwl", "se": expiry, "spr": "https", "sv": _VERSION, "sr": "c"}
    text = "\n".join(
        [
            *(said["sp"], "", said["se"], f"/blob/{account}/{container}"),
            *("", "", said["spr"], said["sv"], said["sr"]),
            *_UNSAID,
        ]
    )
    made = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return urlencode({**said, "sig": base64.b64encode(made).decode()})
