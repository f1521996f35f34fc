"""Part of a blob, as an answer of blob storage gives it."""

from __future__ import annotations

import contextlib
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import UnavailableError
from mlflow_azureml_backend.job import LogPart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

RANGE_NOT_SATISFIABLE = 416
_WHOLE = 200
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


def read_part(response: Any, *, offset: int, size: int) -> LogPart:
    """Read the answer to a ranged read.

    There is nothing at the end of a blob: Azure answers 416, others an empty 206. A server that
    ignores the range sends the whole blob: the rest of it is not taken into memory. A body that
    breaks off gives what came, since the bytes are in order and the next read goes on after them.

    Args:
        response: A streamed answer of azure-core, of status 200, 206 or 416.
        offset: First byte that was asked for.
        size: How many were asked for.

    Raises:
        UnavailableError: It is no answer of blob storage.
    """
    headers = response.headers
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range") or "")
    total = int(found[2]) if found and found[2] != "*" else None
    part = LogPart(
        data=b"",
        size=total,
        modified=_moment(headers.get("Last-Modified")),
        created=_moment(headers.get("x-ms-creation-time")),
    )
    if response.status_code == RANGE_NOT_SATISFIABLE:
        return part
    skipped = 0
    if response.status_code == _WHOLE:
        if "x-ms-blob-type" not in headers:
            # The page of a gateway, or of a hotel's network: no line of a log.
            raise UnavailableError("Error while reading a log: the answer is not blob storage's.")
        skipped = offset
        with contextlib.suppress(KeyError, ValueError):
            total = int(headers["Content-Length"])
    elif not found or (found[1] and int(found[1]) != offset):
        raise UnavailableError("Error while reading a log: the answer is another part of it.")
    data = _taken(response, skipped, size, exact=response.status_code != _WHOLE)
    return LogPart(data=data, size=total, modified=part.modified, created=part.created)


def _taken(response: Any, skipped: int, size: int, *, exact: bool) -> bytes:
    from azure.core.exceptions import AzureError

    taken = bytearray()
    try:
        for piece in _beyond(response.iter_raw(), skipped):
            taken += piece[: size - len(taken)]
            # The end of a body that is no longer than that is read too: the connection lives on.
            if len(taken) == size and not exact:
                break
    except AzureError:
        if not taken:
            raise
    return bytes(taken)


def _beyond(pieces: Iterator[bytes], skipped: int) -> Iterator[bytes]:
    for piece in pieces:
        if skipped < len(piece):
            yield piece[skipped:]
        skipped = max(0, skipped - len(piece))


def _moment(text: str | None) -> datetime | None:
    with contextlib.suppress(TypeError, ValueError):
        return parsedate_to_datetime(text) if text else None
    return None
