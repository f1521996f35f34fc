"""The HTTP protocol of the emulator's servers: uvicorn's, which also tells of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

LARGEST_HEAD: Final = 1 << 16
"""The largest head of a request, in bytes."""

TRANSPORT: Final = "transport"
"""The key, in the ASGI scope's `state`, of the connection a request came by."""


class TellingProtocol(HttpToolsProtocol):
    """Put the connection of each request into its scope, so that faults can end it."""

    app_state: dict[str, Any]
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin a connection; its `app_state` is what the scopes of its requests start from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}

    def data_received(self, data: bytes) -> None:
        """Read on, and refuse a head that does not come to its end: the parser keeps it all."""
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Answer the request whose head was read."""
        self._in_head = False
        super().on_headers_complete()


def transport_of(scope: MutableMapping[str, Any]) -> asyncio.Transport:
    """Give the connection a request came by.

    Args:
        scope: the request's ASGI scope.
    """
    found: asyncio.Transport = scope["state"][TRANSPORT]
    return found
