"""Blobs: the operations on them that azure-storage-blob performs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator import blob_blocks
from mlflow_azureml_backend.emulator.answers import unknown
from mlflow_azureml_backend.emulator.blob_access import authorize, permission_mismatch
from mlflow_azureml_backend.emulator.blob_call import (
    address_of,
    chosen,
    existing_blob,
    existing_container,
)
from mlflow_azureml_backend.emulator.blob_conditions import check_read, check_write
from mlflow_azureml_backend.emulator.blob_copy import (
    SOURCE,
    SOURCE_MD5,
    pieces_of,
    size_of_source,
    source_of,
)
from mlflow_azureml_backend.emulator.blob_download import download
from mlflow_azureml_backend.emulator.blob_headers import (
    blob_headers,
    given_content,
    given_metadata,
    state_headers,
)
from mlflow_azureml_backend.emulator.blob_view import seen
from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.routing import Call, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.blob_files import Check
    from mlflow_azureml_backend.emulator.blob_info import BlobInfo

_SMALL: Final = 1 << 18
_NOT_EMULATED: Final = frozenset({"x-ms-structured-body", "x-ms-copy-source-authorization"})


def get_blob(call: Call) -> Response:
    """Get Blob."""
    authorize(call, "r")
    return download(call, existing_blob(call))


def describe_blob(call: Call) -> Response:
    """Get Blob Properties, and Get Blob Metadata."""
    authorize(call, "r")
    info = existing_blob(call)
    check_read(call.headers, info)
    size = seen(info.size).size
    return Response(headers={**blob_headers(info, call), "Content-Length": str(size)})


def put_blob(call: Call) -> Response:
    """Put Blob, and Put Blob From URL."""
    granted = authorize(call, "wc")
    kind = call.headers.get("x-ms-blob-type", "")
    # Copies in the background, pages and checksums woven into the body are other operations.
    if kind not in {"BlockBlob", "AppendBlob"} or _NOT_EMULATED & set(call.headers):
        raise unknown("blob", "PUT", call.host, f"{call.path} (x-ms-blob-type '{kind}')")
    existing_container(call)
    pieces, content = call.stream, given_content(call.headers, plain=True)
    content_md5 = call.headers.get("content-md5") or call.headers.get("x-ms-blob-content-md5")
    if SOURCE in call.headers:
        source = source_of(call)
        pieces, content_md5 = pieces_of(source), call.headers.get(SOURCE_MD5)
        content = {**source.content, **given_content(call.headers, plain=False)}
    info = call.emulation.blobs.files.put(
        address_of(call),
        pieces,
        content=content,
        metadata=given_metadata(call.headers),
        content_md5=content_md5,
        append=kind == "AppendBlob",
        check=_may_replace(call, granted),
    )
    return _changed(info, 201, {"Content-MD5": info.content_md5} if info.content_md5 else {})


def put_block(call: Call) -> Response:
    """Put Block."""
    authorize(call, "w")
    existing_container(call)
    md5 = blob_blocks.stage(
        call.emulation.blobs.files,
        address_of(call),
        call.query.get("blockid", ""),
        call.stream,
        call.headers.get("content-md5"),
    )
    return Response(
        status_code=201, headers={"Content-MD5": md5, "x-ms-request-server-encrypted": "true"}
    )


def put_block_list(call: Call) -> Response:
    """Put Block List."""
    granted = authorize(call, "w")
    existing_container(call)
    info = blob_blocks.commit(
        call.emulation.blobs.files,
        address_of(call),
        blob_blocks.listed_ids(call.stream),
        content=given_content(call.headers, plain=False),
        metadata=given_metadata(call.headers),
        check=_may_replace(call, granted),
    )
    return _changed(info, 201)


def append_block(call: Call) -> Response:
    """Append Block."""
    authorize(call, "aw")
    existing_container(call)

    def check(info: BlobInfo, length: int) -> None:
        check_write(call.headers, info)
        if not info.append:
            raise BlobError(409, "InvalidBlobType", "The blob type is invalid for this operation.")
        expected = call.headers.get("x-ms-blob-condition-appendpos")
        if expected not in {None, str(info.size)}:
            raise BlobError(
                412,
                "AppendPositionConditionNotMet",
                "The append position condition specified was not met.",
            )
        largest = call.headers.get("x-ms-blob-condition-maxsize", "")
        if largest.isdigit() and info.size + length > int(largest):
            raise BlobError(
                412, "MaxBlobSizeConditionNotMet", "The max blob size condition was not met."
            )

    start, info = call.emulation.blobs.files.extend(
        address_of(call), call.stream, content_md5=call.headers.get("content-md5"), check=check
    )
    return _changed(
        info, 201, {"x-ms-blob-append-offset": str(start), "x-ms-blob-committed-block-count": "1"}
    )


def set_metadata(call: Call) -> Response:
    """Set Blob Metadata."""
    granted = authorize(call, "w")
    info = call.emulation.blobs.files.describe(
        address_of(call),
        metadata=given_metadata(call.headers),
        check=_may_replace(call, granted),
    )
    return _changed(info, 200)


def set_properties(call: Call) -> Response:
    """Set Blob Properties: what is not said of the content is forgotten."""
    granted = authorize(call, "w")
    info = call.emulation.blobs.files.describe(
        address_of(call),
        content=given_content(call.headers, plain=False),
        check=_may_replace(call, granted),
    )
    return _changed(info, 200)


def delete_blob(call: Call) -> Response:
    """Delete Blob."""
    authorize(call, "d")
    existing_blob(call)

    def check(info: BlobInfo | None) -> None:
        check_write(call.headers, info)

    call.emulation.blobs.files.delete(address_of(call), check=check)
    return Response(status_code=202, headers={"x-ms-delete-type-permanent": "true"})


def _may_replace(call: Call, granted: str) -> Check:
    def check(known: BlobInfo | None) -> None:
        if known is not None and "w" not in granted:  # `c` is for new blobs alone
            raise permission_mismatch()
        check_write(call.headers, known)

    return check


def _changed(info: BlobInfo, status: int, headers: Mapping[str, str] | None = None) -> Response:
    written = {
        **state_headers(info),
        "x-ms-request-server-encrypted": "true",
        **(headers or {}),
    }
    return Response(status_code=status, headers=written)


def _is_brief(call: Call) -> bool:
    """Tell whether a request reads what is known of a blob, or writes a small one."""
    if call.method == "HEAD":
        return True
    if call.query.get("comp", ""):
        return False  # many blobs are made of others
    if SOURCE in call.headers:
        return size_of_source(call) <= _SMALL
    length = call.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= _SMALL


def _route(method: str, operations: Mapping[str, Callable[[Call], Response]]) -> Route:
    return Route(
        service="blob",
        method=method,
        path="/{container}/{blob:path}",
        handle=chosen({("", comp): operation for comp, operation in operations.items()}),
        open=True,
        streams=True,
        is_brief=_is_brief if method in {"HEAD", "PUT"} else None,
    )


ROUTES: Final = (
    _route("GET", {"": get_blob, "metadata": describe_blob}),
    _route("HEAD", {"": describe_blob, "metadata": describe_blob}),
    _route(
        "PUT",
        {
            "": put_blob,
            "appendblock": append_block,
            "block": put_block,
            "blocklist": put_block_list,
            "metadata": set_metadata,
            "properties": set_properties,
        },
    ),
    _route("DELETE", {"": delete_blob}),
)
