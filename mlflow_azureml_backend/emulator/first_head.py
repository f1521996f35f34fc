"""The head of a connection's first request, which decides what becomes of the connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mlflow_azureml_backend.emulator.http_protocol import LARGEST_HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HEAD_SECONDS: Final = 120.0
_LONGEST_CLIENT: Final = 200
_END: Final = b"\r\n\r\n"
_HOP_BY_HOP: Final = ("connection:", "keep-alive:", "proxy-authorization:", "proxy-connection:")


class RefusedError(Exception):
    """The front does not do what it is asked.

    Args:
        status: the HTTP status.
        reason: one line for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Hold the head of a request.

    Args:
        method: the HTTP method.
        target: what is asked: a path, a URL, or a host and a port.
        version: of HTTP.
        lines: the headers.
        rest: what has come after the head.
    """

    method: str
    target: str
    version: str
    lines: tuple[str, ...]
    rest: bytes

    @property
    def client(self) -> str:
        """Give the beginning of the User-Agent."""
        agents = (line for line in self.lines if line.lower().startswith("user-agent:"))
        return next(agents, "").partition(":")[2].strip()[:_LONGEST_CLIENT]

    @property
    def authority(self) -> tuple[str, int]:
        """Give host and port of a CONNECT.

        Raises:
            RefusedError: it names none.
        """
        host, _, port = self.target.rpartition(":")
        if not host or not port.isdecimal():
            raise RefusedError(400, f"CONNECT needs a host and a port, not {self.target!r}.")
        return host.strip("[]").rstrip(".").lower(), int(port)

    @property
    def destination(self) -> tuple[str, int, str]:
        """Give host, port and path of a request to a plain http proxy.

        Raises:
            RefusedError: it names none.
        """
        try:
            url = urlsplit(self.target)
            host, port = (url.hostname or "").lower(), url.port or 80
        except ValueError:
            host, port = "", 0
        if not host or url.scheme.lower() != "http":
            raise RefusedError(400, f"The proxy cannot forward {self.method} {self.target!r}.")
        path = url.path or "/"
        return host, port, f"{path}?{url.query}" if url.query else path

    def forwarded(self, target: str, further: Iterable[str] = ()) -> bytes:
        """Write the request as it goes on; the connection is to end with its answer.

        Args:
            target: what is asked there.
            further: headers to add.
        """
        lines = [line for line in self.lines if not line.lower().startswith(_HOP_BY_HOP)]
        first = f"{self.method} {target} {self.version}"
        head = "\r\n".join([first, *lines, *further, "Connection: close", "", ""])
        return head.encode("latin-1") + self.rest


def read_head(received: bytes) -> Head:
    """Read the head of a request.

    Args:
        received: the head, and perhaps more.

    Raises:
        RefusedError: 400 when this is no HTTP, 431 when it is too large.
    """
    raw, end, rest = received.partition(_END)
    if not end or len(raw) > LARGEST_HEAD:
        raise RefusedError(431, "The request's head is too large.")
    first, *lines = raw.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004
        raise RefusedError(400, "This is no HTTP/1 request.")
    method, target, version = parts
    return Head(method=method, target=target, version=version, lines=tuple(lines), rest=rest)


class Arrival(asyncio.Protocol):
    """Read a new connection until its first head is there, or is too large.

    Args:
        arrived: gets the connection and what was read of it.
    """

    def __init__(self, arrived: Callable[[asyncio.Transport, bytes], None]) -> None:
        self._arrived = arrived
        self._received = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head."""
        self._connection = transport
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_HEAD_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._received += data
        if _END in self._received or len(self._received) > LARGEST_HEAD:
            self._timer.cancel()
            self._arrived(self._connection, bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        del exc
        self._timer.cancel()
