"""What the server hands over of a request, as text: an ASGI scope holds bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Scope

_HEADERS: Final = "headers"  # the key, in the scope's `state`


def texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give headers as text, their names in lower case.

    Args:
        headers: those of a scope, or of the message that begins an answer.
    """
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Give a request's headers as text, their names in lower case; read once a request."""
    state = scope["state"]
    found: Mapping[str, str] | None = state.get(_HEADERS)
    if found is None:
        found = state[_HEADERS] = texts(scope["headers"])
    return found


def host_in(headers: Mapping[str, str]) -> str:
    """Name the host that is asked, in lower case and without a port.

    Args:
        headers: the headers, their names in lower case.
    """
    return headers.get("host", "").partition(":")[0].lower()


def raw_path(scope: Scope) -> str:
    """Give the path as it was sent, still percent-encoded."""
    sent: bytes = scope["raw_path"]
    return sent.partition(b"?")[0].decode("latin-1")


def raw_query(scope: Scope) -> str:
    """Give the query as it was sent, still percent-encoded."""
    sent: bytes = scope["query_string"]
    return sent.decode("latin-1")
