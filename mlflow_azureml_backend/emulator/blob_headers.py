"""Blobs and HTTP headers: what a request says of a blob, and what an answer does."""

from __future__ import annotations

import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.blob_info import BINARY
from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo
    from mlflow_azureml_backend.emulator.routing import Call

_METADATA: Final = "x-ms-meta-"
_METADATA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_CONTENT: Final = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-MD5",
    "Content-Type",
)
# These may be given by the request's own headers as well; its MD5 is that of the transfer.
_ALSO_PLAIN: Final = frozenset(
    {"Cache-Control", "Content-Encoding", "Content-Language", "Content-Type"}
)
# Blobs that are appended to have no tier.
_TIER: Final = {"x-ms-access-tier": "Hot", "x-ms-access-tier-inferred": "true"}
_OVERRIDES: Final = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}


def given_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the metadata a request gives a blob.

    Args:
        headers: the headers, their names in lower case.

    Raises:
        BlobError: 400 InvalidMetadata: a name is no identifier.
    """
    found = {
        name.removeprefix(_METADATA): text
        for name, text in headers.items()
        if name.startswith(_METADATA)
    }
    if not all(_METADATA_NAME.fullmatch(name) for name in found):
        raise BlobError(
            400,
            "InvalidMetadata",
            "The metadata specified is invalid. It has characters that are not permitted.",
        )
    return found


def given_content(headers: Mapping[str, str], *, plain: bool) -> dict[str, str]:
    """Read what a request says of a blob's content.

    Args:
        headers: the headers, their names in lower case.
        plain: where `x-ms-blob-content-type` and its kin are missing, the request's own
            `Content-Type` and its kin speak of the blob, because its body is the blob.
    """
    found = {}
    for name in _CONTENT:
        text = headers.get(f"x-ms-blob-{name.lower()}")
        if text is None and plain and name in _ALSO_PLAIN:
            text = headers.get(name.lower())
        if text:
            found[name] = text
    return {"Content-Type": BINARY, **found}


def state_headers(info: BlobInfo) -> dict[str, str]:
    """Give the headers that tell one state of a blob from another."""
    return {
        "ETag": f'"{info.etag}"',
        "Last-Modified": format_datetime(info.modified, usegmt=True),
    }


def blob_headers(info: BlobInfo, call: Call, *, part: bool = False) -> dict[str, str]:
    """Give the headers that describe a blob.

    Args:
        info: the blob.
        call: the request; its signature may replace what is said of the content.
        part: only a part of the blob is answered, so its MD5 goes by another name.
    """
    content = {"Content-Type": BINARY, **info.content}
    if part and (md5 := content.pop("Content-MD5", None)) is not None:
        content["x-ms-blob-content-md5"] = md5
    for parameter, name in _OVERRIDES.items():
        if "sig" in call.query and parameter in call.query:
            content[name] = call.query[parameter]
    return {
        **state_headers(info),
        **content,
        **{f"{_METADATA}{name}": text for name, text in info.metadata.items()},
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "AppendBlob" if info.append else "BlockBlob",
        **({} if info.append else _TIER),
        "x-ms-creation-time": format_datetime(info.created, usegmt=True),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
    }
