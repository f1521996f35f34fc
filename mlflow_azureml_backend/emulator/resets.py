"""Connections that end with a reset, as when a host dies: the other side reads no orderly end."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

# On, and for no seconds: closing then sends a reset and drops what was not sent.
_AT_ONCE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def reset(transport: asyncio.BaseTransport) -> None:
    """Reset a connection; do nothing when it is gone already.

    Args:
        transport: asyncio's, also of a TLS connection.
    """
    if transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    abort = getattr(transport, "abort", transport.close)
    abort()
