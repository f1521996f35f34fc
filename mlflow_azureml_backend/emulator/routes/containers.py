"""Containers of blobs: the operations on them that azure-storage-blob performs."""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.blob_access import authorize
from mlflow_azureml_backend.emulator.blob_call import account_of, chosen, existing_container
from mlflow_azureml_backend.emulator.blob_listing import LARGEST_PAGE, ListingQuery, listing
from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.routing import Call, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


def create_container(call: Call) -> Response:
    """Create Container."""
    authorize(call, "")
    if not call.emulation.blobs.create_container(account_of(call), call.params["container"]):
        raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")
    return Response(status_code=201, headers=_headers(existing_container(call)))


def describe_container(call: Call) -> Response:
    """Get Container Properties."""
    authorize(call, "")
    headers = {
        **_headers(existing_container(call)),
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    return Response(headers=headers)


def list_blobs(call: Call) -> Response:
    """List Blobs."""
    authorize(call, "l")
    existing_container(call)
    query = ListingQuery(
        account=account_of(call),
        container=call.params["container"],
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
        marker=call.query.get("marker", ""),
        limit=_page_size(call.query.get("maxresults")),
        metadata="metadata" in call.query.get("include", "").split(","),
    )
    document = listing(call.emulation.blobs.files, query)
    return Response(document, media_type="application/xml")


def _headers(created: datetime) -> dict[str, str]:
    seconds = int(created.timestamp())
    return {
        "ETag": f'"0x8D{seconds:X}"',
        "Last-Modified": format_datetime(created, usegmt=True),
    }


def _page_size(asked: str | None) -> int:
    if asked is None:
        return LARGEST_PAGE
    if not asked.isdigit() or int(asked) == 0:
        raise BlobError(
            400,
            "OutOfRangeQueryParameterValue",
            "One of the query parameters specified in the request URI is outside the permissible "
            "range.",
            details={"QueryParameterName": "maxresults", "QueryParameterValue": asked},
        )
    return min(int(asked), LARGEST_PAGE)


def _route(method: str, operations: Mapping[tuple[str, str], Callable[[Call], Response]]) -> Route:
    return Route(
        service="blob",
        method=method,
        path="/{container}",
        handle=chosen(operations),
        open=True,
        streams=True,
    )


ROUTES: Final = (
    _route("PUT", {("container", ""): create_container}),
    _route("HEAD", {("container", ""): describe_container}),
    _route(
        "GET",
        {("container", ""): describe_container, ("container", "list"): list_blobs},
    ),
)
