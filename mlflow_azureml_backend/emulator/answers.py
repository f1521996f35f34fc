"""What every answer of a service looks like, whatever it says: its headers and its refusals."""

from __future__ import annotations

import uuid
from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse

from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

_STORAGE_VERSION: Final = "2023-11-03"
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto">
<h1 style="font-size: 1.3em">{title}</h1><p>{message}</p></body></html>
"""
_TITLES: Final = {401: "This browser is not signed in", 404: "There is no such page"}


def unknown(service: str, method: str, host: str, path: str) -> ServiceError | BlobError:
    """Build the error for a request that the emulator has no answer to.

    Args:
        service: the service that was asked.
        method: the HTTP method.
        host: the host that was asked; empty for the front itself.
        path: the path, decoded and without the query.
    """
    url = f"https://{host}{path}" if host else path
    message = (
        f"The emulator does not answer {method} {url}. It emulates what submitting, running and "
        "tracking jobs needs; ask for this one in the project's issues."
    )
    if service == "blob":
        return BlobError(501, "NotImplemented", message)
    return ServiceError(501, "NotImplemented", message, arm=True)


def failure(service: str) -> ServiceError | BlobError:
    """Build the error for a request that the emulator itself failed to answer."""
    message = "The emulator failed while it answered; its log file (emulator.log) says why."
    if service == "blob":
        return BlobError(500, "InternalError", message)
    return ServiceError(500, "ServiceError", message)


def refusal(
    error: ServiceError | BlobError, *, method: str, headers: Mapping[str, str], region: str
) -> Response:
    """Build the answer to a refused request, as a page when a browser asks for one.

    Args:
        error: why it is refused.
        method: the HTTP method of the request.
        headers: the headers of the request, their names in lower case.
        region: the region that Azure ML names in its errors.
    """
    if isinstance(error, BlobError):
        return error.response(head=method == "HEAD")
    if "text/html" in headers.get("accept", ""):
        title = _TITLES.get(error.status, "The emulator refuses this")
        page = _PAGE.format(title=escape(title), message=_marked(error.message))
        return HTMLResponse(page, error.status)
    return error.response(region)


def mark(
    response: Response, service: str, headers: Mapping[str, str], *, region: str, seconds: float
) -> None:
    """Add the headers that a service sends with every answer.

    Args:
        response: the answer.
        service: the service that was asked.
        headers: the headers of the request, their names in lower case.
        region: the region of the service.
        seconds: how long the answer took.
    """
    added = {}
    request_id = str(uuid.uuid4())
    if service == "blob":
        added = {
            "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
            "x-ms-request-id": request_id,
            "x-ms-version": headers.get("x-ms-version", _STORAGE_VERSION),
        }
        if (client_request_id := headers.get("x-ms-client-request-id")) is not None:
            added["x-ms-client-request-id"] = client_request_id
    elif service in {"arm", "api"}:
        added = {"x-ms-request-id": request_id, "x-ms-correlation-request-id": request_id}
        # What Azure Resource Manager answers by itself comes from no cluster.
        if response.headers.get("x-ms-failure-cause") != "gateway":
            added |= {
                "x-ms-response-type": "standard",
                "x-aml-cluster": f"vienna-{region}-01",
                "x-request-time": f"{seconds:.3f}",
            }
    given = {name for name, _ in response.raw_headers}
    for name, value in added.items():
        if (raw := name.lower().encode("latin-1")) not in given:
            response.raw_headers.append((raw, value.encode("latin-1")))


def _marked(message: str) -> str:
    """Write a message for HTML: what stands in backticks is code."""
    parts = escape(message).split("`")
    return "".join(
        f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)
    )
