"""Bodies of requests: whole and of limited size, or in pieces and of any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio.from_thread import run

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


def streamed_body(receive: Receive) -> Iterator[bytes]:
    """Give a body in pieces, in a worker thread; the client is slowed down to the reader's speed.

    Raises:
        ClientGoneError: the client closed the connection before the end.
    """
    more = True
    while more:
        piece, more = run(_piece, receive)
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
