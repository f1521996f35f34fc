"""The HTTP protocol of the emulator's server: uvicorn's, which also tells of its connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

LARGEST_HEAD: Final = 1 << 16
"""The largest head of a request, in bytes."""

TRANSPORT: Final = "transport"
"""The key, in the ASGI scope's `state`, of the connection a request came by."""

_QUICK_ACKNOWLEDGEMENT: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # on Linux


class TellingProtocol(HttpToolsProtocol):
    """Put the connection of each request into its scope, so that faults can end it.

    Args:
        wire: the TCP connection, which TLS may lie upon.
        **options: uvicorn's own.
    """

    app_state: dict[str, Any]

    def __init__(self, *, wire: asyncio.Transport, **options: Any) -> None:
        super().__init__(**options)
        self.wire = wire
        self._in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin a connection; its `app_state` is what the scopes of its requests start from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}

    def data_received(self, data: bytes) -> None:
        """Read on, and refuse a head that does not come to its end: the parser keeps it all."""
        super().data_received(data)
        if self._in_head:
            # Where in it the head began is not known; before its answer nobody sends another.
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The request's head is too large.")
        elif self.cycle is not None and self.cycle.more_body:
            acknowledge(self.wire)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Answer the request whose head was read."""
        self._in_head = False
        super().on_headers_complete()


def acknowledge(wire: asyncio.BaseTransport) -> None:
    """Tell the other side at once that what it sent has arrived.

    urllib3 keeps Nagle's algorithm on towards proxies and sends head and body apart: it waits with
    the body until the head is acknowledged, by default 40 ms later.

    Args:
        wire: the TCP connection.
    """
    if _QUICK_ACKNOWLEDGEMENT is not None and not wire.is_closing():
        connection = wire.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACKNOWLEDGEMENT, 1)


def transport_of(scope: MutableMapping[str, Any]) -> asyncio.Transport:
    """Give the connection a request came by.

    Args:
        scope: the request's ASGI scope.
    """
    found: asyncio.Transport = scope["state"][TRANSPORT]
    return found
