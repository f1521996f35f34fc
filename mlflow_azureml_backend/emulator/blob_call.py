"""What a request to blob storage speaks of: its account, container and blob."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.answers import unknown
from mlflow_azureml_backend.emulator.blob_info import BlobAddress
from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo
    from mlflow_azureml_backend.emulator.routing import Call


def account_of(call: Call) -> str:
    """Name the storage account that is asked."""
    return call.host.partition(".")[0]


def address_of(call: Call) -> BlobAddress:
    """Name the blob that is asked, whether or not it exists."""
    return BlobAddress(account_of(call), call.params["container"], call.params["blob"])


def existing_container(call: Call) -> datetime:
    """Say when the container that is asked was made, in UTC.

    Raises:
        BlobError: 404 ContainerNotFound.
    """
    created = call.emulation.blobs.container_created(account_of(call), call.params["container"])
    if created is None:
        raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
    return created


def existing_blob(call: Call) -> BlobInfo:
    """Describe the blob that is asked.

    Raises:
        BlobError: 404 BlobNotFound or ContainerNotFound.
    """
    info = call.emulation.blobs.files.info(address_of(call))
    if info is None:
        existing_container(call)
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
    return info


def chosen(
    operations: Mapping[tuple[str, str], Callable[[Call], Response]],
) -> Callable[[Call], Response]:
    """Make a handler that chooses the operation by the query's `restype` and `comp`.

    Args:
        operations: what to do, by these two.
    """

    def handle(call: Call) -> Response:
        kind = call.query.get("restype", ""), call.query.get("comp", "")
        operation = operations.get(kind)
        if operation is None:
            asked = f"{call.path}?restype={kind[0]}&comp={kind[1]}"
            raise unknown("blob", call.method, call.host, asked)
        return operation(call)

    return handle
