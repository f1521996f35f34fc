"""Bodies of requests: whole and of limited size, or in pieces and of any."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive

LARGEST: Final = 64 * 1024 * 1024
"""The largest body, in bytes, that is read whole."""

_PIECE: Final = 1 << 20


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive) -> bytes:
    """Read a body whole.

    Raises:
        ServiceError: 413 when it is larger than `LARGEST`.
        ClientGoneError: the client does not wait for an answer any more.
    """
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        piece, more = await _piece(receive)
        size += len(piece)
        if size > LARGEST:
            raise ServiceError(
                413,
                "RequestEntityTooLarge",
                f"The request body is larger than {LARGEST} bytes.",
                arm=True,
            )
        pieces.append(piece)
    return b"".join(pieces)


async def streamed_body(receive: Receive) -> Iterator[bytes]:
    """Give a body in pieces, to a worker thread; the client is slowed down to the reader's speed.

    The first piece, mostly the only one, is read before, so that no thread waits for it.

    Raises:
        ClientGoneError: the client closed the connection before the end; also while reading on.
    """
    first, more = await _piece(receive)
    return _pieces(first, receive if more else None, asyncio.get_running_loop())


def _pieces(
    first: bytes, receive: Receive | None, loop: asyncio.AbstractEventLoop
) -> Iterator[bytes]:
    if first:
        yield first
    more = receive is not None
    while receive is not None and more:
        piece, more = asyncio.run_coroutine_threadsafe(_piece(receive), loop).result()
        if piece:
            yield piece


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    """Gather what the server reads little by little: going to another thread has its price."""
    gathered = bytearray()
    more = True
    while more and len(gathered) < _PIECE:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        gathered += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(gathered), more
