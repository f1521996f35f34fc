"""Put Blob From URL: a blob whose bytes come from another blob, which a signature opens."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from mlflow_azureml_backend.emulator.blob_info import BlobAddress
from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.hosts import service_of
from mlflow_azureml_backend.emulator.sas import verified_access

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo
    from mlflow_azureml_backend.emulator.routing import Call

SOURCE: Final = "x-ms-copy-source"
"""The header that makes a Put Blob a copy."""

SOURCE_MD5: Final = "x-ms-source-content-md5"
"""The header with the MD5 that the source must have."""

_PIECE: Final = 1 << 20


def source_of(call: Call) -> BlobInfo:
    """Find the blob that a copy is made of, as Azure does: with its URL's own signature.

    Args:
        call: the request.

    Raises:
        BlobError: 400 InvalidHeaderValue, 403 or 404 CannotVerifyCopySource.
    """
    address, query = _asked(call)
    account, blobs = address.account, call.emulation.blobs
    try:
        access = verified_access(
            query, account, address.container, address.name, blobs.account_key(account)
        )
    except BlobError as error:
        raise _unverified(403, error.message) from None
    if "r" not in access.permissions:
        raise _unverified(
            403, "This request is not authorized to perform this operation using this permission."
        )
    info = blobs.files.info(address)
    if info is None:
        raise _unverified(404, "The specified blob does not exist.")
    return info


def size_of_source(call: Call) -> int:
    """Tell how many bytes a copy would take, to whomever; none of what is not there.

    Raises:
        BlobError: 400 InvalidHeaderValue.
    """
    info = call.emulation.blobs.files.info(_asked(call)[0])
    return 0 if info is None else info.size


def _asked(call: Call) -> tuple[BlobAddress, Mapping[str, str]]:
    address, query = _parsed(call.headers[SOURCE])
    if address is None:
        raise BlobError(
            400,
            "InvalidHeaderValue",
            "The value for one of the HTTP headers is not in the correct format.",
            details={"HeaderName": SOURCE},
        )
    return address, query


@lru_cache(maxsize=16)  # it is asked for twice a request
def _parsed(text: str) -> tuple[BlobAddress | None, Mapping[str, str]]:
    url = urlsplit(text)
    host = (url.hostname or "").lower()
    container, _, name = unquote(url.path).lstrip("/").partition("/")
    if url.scheme != "https" or service_of(host) != "blob" or not name:
        return None, {}
    query = MappingProxyType(dict(parse_qsl(url.query, keep_blank_values=True)))
    return BlobAddress(host.partition(".")[0], container, name), query


def pieces_of(info: BlobInfo) -> Iterator[bytes]:
    """Read a blob.

    Raises:
        BlobError: 404 CannotVerifyCopySource, when it was just deleted.
    """
    try:
        with info.file.open("rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece
    except FileNotFoundError:
        raise _unverified(404, "The specified blob does not exist.") from None


def _unverified(status: int, message: str) -> BlobError:
    return BlobError(status, "CannotVerifyCopySource", message)
