"""Downloads of blobs: whole or in part, at any size, also while the blob grows."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO, Final

from starlette.responses import Response, StreamingResponse

from mlflow_azureml_backend.emulator.blob_conditions import check_read
from mlflow_azureml_backend.emulator.blob_headers import blob_headers
from mlflow_azureml_backend.emulator.blob_view import seen
from mlflow_azureml_backend.emulator.byte_range import ByteRange, requested_range
from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo
    from mlflow_azureml_backend.emulator.routing import Call

_PIECE: Final = 1 << 18
_AT_ONCE: Final = 1 << 20
_LARGEST_CHECKED_RANGE: Final = 4 << 20


def download(call: Call, info: BlobInfo) -> Response:
    """Answer with the bytes that are there now; what is appended meanwhile is left out.

    Args:
        call: the request.
        info: the blob.

    Raises:
        BlobError: 416 InvalidRange, 412 or 304 ConditionNotMet, 404 when it was just deleted.
    """
    check_read(call.headers, info)
    asked = call.headers.get("x-ms-range") or call.headers.get("range")
    try:
        stream = info.file.open("rb")
    except FileNotFoundError:
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.") from None
    try:
        view = seen(os.fstat(stream.fileno()).st_size)
        part = requested_range(asked, view.size)
        span = part or ByteRange(start=0, length=view.size, size=view.size)
        headers = blob_headers(info, call, part=part is not None)
        headers["Content-Length"] = str(span.length)
        if part is not None:
            headers["Content-Range"] = part.content_range
            if call.headers.get("x-ms-range-get-content-md5") == "true":
                headers["Content-MD5"] = _md5(stream, part, view.start)
        stream.seek(view.start + span.start)
        status = 200 if part is None else 206
        if span.length <= _AT_ONCE:
            body = stream.read(span.length)
            stream.close()
            return Response(body, status, headers=headers)
        return StreamingResponse(_pieces(stream, span.length), status, headers=headers)
    except BaseException:
        stream.close()
        raise


def _pieces(stream: BinaryIO, length: int) -> Iterator[bytes]:
    with stream:
        while length > 0 and (piece := stream.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece


def _md5(stream: BinaryIO, part: ByteRange, origin: int) -> str:
    if part.length > _LARGEST_CHECKED_RANGE:
        raise BlobError(
            400,
            "OutOfRangeInput",
            "x-ms-range-get-content-md5 is for ranges of at most 4 MiB.",
        )
    stream.seek(origin + part.start)
    digest = hashlib.md5(stream.read(part.length), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()
