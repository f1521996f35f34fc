"""What all management routes share: their two addresses, the answer to a PUT, and pages."""

from __future__ import annotations

import base64
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from mlflow_azureml_backend.emulator.field_checks import invalid
from mlflow_azureml_backend.emulator.resources import PROVIDER
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Call, Route, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.state import Document

LOCATION: Final = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
"""The path of a region, below which the service answers for its long operations."""

PAGE_SIZE: Final = 50
"""How many resources a list answers at once."""


def managed(method: str, path: str, handle: Callable[[Call], Response]) -> tuple[Route, Route]:
    """Bind a function to a resource below the workspace, at both addresses it has.

    The resource provider stands behind Azure Resource Manager, and its front end is reachable at
    the regional host too, below `mferp/managementfrontend`.

    Args:
        method: the HTTP method.
        path: the template below the workspace; empty or beginning with a slash.
        handle: the function.
    """
    return (
        Route(service="arm", method=method, path=f"{WORKSPACE}{path}", handle=handle),
        Route(
            service="api",
            method=method,
            path=f"/mferp/managementfrontend{WORKSPACE}{path}",
            handle=handle,
        ),
    )


def own_url(call: Call, **replaced: str) -> str:
    """Give the URL that was asked.

    Args:
        call: the request.
        replaced: query parameters to set.
    """
    query = urlencode({**call.query, **replaced}, quote_via=quote)
    return f"https://{call.host}{call.raw_path}" + (f"?{query}" if query else "")


def regional_url(call: Call, path: str) -> str:
    """Give the URL of a long operation in the workspace's region.

    Args:
        call: the request that started it.
        path: the operation below the region.
    """
    region = call.emulation.settings.region
    location = LOCATION.format(subscription=call.params["subscription"], location=region)
    version = quote(call.query.get("api-version", "2024-04-01"))
    return f"https://{call.host}{location}/{path}?api-version={version}"


def sent_properties(call: Call) -> dict[str, Any]:
    """Give the `properties` of the resource in the body.

    Raises:
        ServiceError: 400 when there are none.
    """
    properties = call.json().get("properties")
    if not isinstance(properties, dict):
        raise invalid("The Properties field is required.")
    return properties


def stored(call: Call, body: dict[str, Any], *, created: bool) -> Response:
    """Answer a PUT: 201 with the resource's own URL for a new resource, otherwise 200.

    Args:
        call: the request.
        body: the resource.
        created: whether it is new.
    """
    if created:
        return json_response(body, 201, {"Location": own_url(call)})
    return json_response(body)


def page(
    call: Call,
    documents: Sequence[Document],
    render: Callable[[Document], dict[str, Any]],
    size: int = PAGE_SIZE,
) -> Response:
    """Answer one page of a list, newest first, with a `nextLink` while there is more.

    The token in the link names the last resource of its page, so that what is created or deleted
    between two pages makes none appear twice or be left out.

    Args:
        call: the request; `$skip` continues a list, `$top` cuts it off, `$orderBy` may ask for the
            oldest first.
        documents: everything that is listed, in any order.
        render: builds the resource of a document.
        size: resources on a page.

    Raises:
        ServiceError: 400 for a token or a number that is none.
    """
    oldest_first = call.query.get("$orderBy", "").lower().endswith(" asc")
    waiting = sorted(documents, key=_position, reverse=not oldest_first)
    if token := call.query.get("$skip"):
        after = _read(token)
        waiting = [
            document
            for document in waiting
            if (_position(document) > after if oldest_first else _position(document) < after)
        ]
    if top := call.query.get("$top"):
        if not top.isdecimal():
            raise invalid(f"The value '{top}' is not valid for $top.")
        waiting = waiting[: int(top)]
    shown = waiting[:size]
    body: dict[str, Any] = {"value": [render(document) for document in shown]}
    if len(waiting) > size:
        body["nextLink"] = own_url(call, **{"$skip": _written(_position(shown[-1]))})
    return json_response(body)


def newest_page(
    call: Call,
    documents: Callable[[_Position | None], Iterator[Document]],
    render: Callable[[Document], dict[str, Any]],
    size: int = PAGE_SIZE,
) -> Response:
    """Answer one page of a long list as `page` does, and read no more than is shown.

    Args:
        call: the request.
        documents: gives everything that is listed, newest first, behind a position.
        render: builds the resource of a document.
        size: resources on a page.

    Raises:
        ServiceError: 400 for a token or a number that is none.
    """
    if call.query.get("$orderBy", "").lower().endswith(" asc"):
        return page(call, tuple(documents(None)), render, size)
    wanted, top = size + 1, call.query.get("$top")
    if top is not None and top.isdecimal():
        wanted = min(wanted, int(top))
    token = call.query.get("$skip")
    found = islice(documents(_read(token) if token else None), wanted)
    return page(call, tuple(found), render, size)


_Position = tuple[float, str, str]


def _position(document: Document) -> _Position:
    return document.created.timestamp(), document.name, document.version


def _written(position: _Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read(token: str) -> _Position:
    try:
        created, name, version = json.loads(base64.urlsafe_b64decode(token))
        return float(created), str(name), str(version)
    except (ValueError, TypeError):
        raise invalid(f"The value '{token}' is not valid for $skip.") from None
