"""What the server hands over of a request, as text: an ASGI scope holds bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Scope


def texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give headers as text, their names in lower case.

    Args:
        headers: those of a scope, or of the message that begins an answer.
    """
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


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
