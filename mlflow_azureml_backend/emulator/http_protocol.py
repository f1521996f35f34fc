"""The HTTP protocol of the emulator's servers: uvicorn's, which also tells of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

TRANSPORT: Final = "transport"
"""The key, in the ASGI scope's `state`, of the connection a request came by."""


class TellingProtocol(H11Protocol):
    """Put the connection of each request into its scope, so that faults can end it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin a connection; its `app_state` is what the scopes of its requests start from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def transport_of(scope: MutableMapping[str, Any]) -> asyncio.Transport:
    """Give the connection a request came by.

    Args:
        scope: the request's ASGI scope.
    """
    found: asyncio.Transport = scope["state"][TRANSPORT]
    return found
