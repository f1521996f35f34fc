"""The front: one loopback port that is a CONNECT proxy, a plain proxy and a small web server.

What a connection becomes is decided by its first request line. A tunnel to an emulated host ends
at the emulator's own TLS server, one to any other host passes through untouched, and none leads
to a host of Azure that is not emulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mlflow_azureml_backend.emulator.hosts import is_refused, service_of
from mlflow_azureml_backend.emulator.journal import Entry
from mlflow_azureml_backend.emulator.resets import reset
from mlflow_azureml_backend.emulator.upstream import UnreachableError, open_connection

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.journal import Journal
    from mlflow_azureml_backend.emulator.upstream import Connection, Upstream

_LOGGER: Final = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
"""The one address that the emulator listens on."""

_HTTPS: Final = 443
_HEAD_SECONDS: Final = 120.0
_PIECE: Final = 1 << 16
_LONGEST_CLIENT: Final = 200
_LONGEST_PATH: Final = 2000
_OK: Final = 200
_QUICK_ACKNOWLEDGEMENT: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # on Linux
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
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
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    target: str
    version: str
    lines: tuple[str, ...]

    @property
    def client(self) -> str:
        """Give the User-Agent."""
        agents = (line for line in self.lines if line.lower().startswith("user-agent:"))
        return next(agents, "").partition(":")[2].strip()[:_LONGEST_CLIENT]


class Front:
    """Serve the front's connections.

    Args:
        tls_port: where the emulator's TLS server listens.
        plain_port: where its plain http server listens.
        upstream: the way to hosts that are not emulated.
        pass_through: lead to hosts that are not Azure's; otherwise they are refused too.
        journal: told of what leads elsewhere and of what is refused; the rest is told of where
            it is answered.
    """

    def __init__(
        self,
        *,
        tls_port: int,
        plain_port: int,
        upstream: Upstream,
        pass_through: bool = True,
        journal: Journal | None = None,
    ) -> None:
        self._tls_port = tls_port
        self._plain_port = plain_port
        self._upstream = upstream
        self._pass_through = pass_through
        self._journal = journal
        self._connections: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Drop all connections, also those that clients keep for later."""
        for task in self._connections:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end, as `asyncio.start_server` asks for it."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
        finally:
            self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = None
        try:
            raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
            head = _parsed(raw)
            other, first = await self._opened(head, raw, writer)
        except (RefusedError, UnreachableError, asyncio.LimitOverrunError) as error:
            self._tell(head, await _refuse(writer, error))
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError):
            pass  # it was closed, or nothing was asked
        else:
            await _join((reader, writer), other, first)
        finally:
            writer.close()

    async def _opened(
        self, head: _Head, raw: bytes, writer: asyncio.StreamWriter
    ) -> tuple[Connection, bytes]:
        """Open the other side of a connection, and say what is to be sent there first."""
        if head.method == "CONNECT":
            host, port = _authority(head.target)
            other = await self._tunnel(host, port)
            if service_of(host) is None:
                self._tell(head, _OK)
            writer.write(_ESTABLISHED)
            return other, b""
        if head.target.startswith("/"):
            return await open_connection(LOOPBACK, self._plain_port), raw
        return await self._forwarded(head, writer)

    async def _tunnel(self, host: str, port: int) -> Connection:
        _refuse_azure(host)
        if service_of(host) is None:
            self._refuse_others(host)
            return await self._upstream.tunnel(host, port)
        if port != _HTTPS:
            raise RefusedError(403, f"The emulator answers for {host} on port 443 alone.")
        return await open_connection(LOOPBACK, self._tls_port)

    async def _forwarded(
        self, head: _Head, writer: asyncio.StreamWriter
    ) -> tuple[Connection, bytes]:
        """Forward one request by plain http; the connection ends with its answer."""
        try:
            url = urlsplit(head.target)
            host, port = (url.hostname or "").lower(), url.port or 80
        except ValueError:
            host, port = "", 0
        if not host or url.scheme.lower() != "http":
            raise RefusedError(400, f"The proxy cannot forward {head.method} {head.target!r}.")
        if service_of(host) is not None:
            raise RefusedError(403, f"The emulator answers for {host} by https alone.")
        _refuse_azure(host)
        path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        lines = [line for line in head.lines if not line.lower().startswith(_HOP_BY_HOP)]
        if (host, port) == (LOOPBACK, writer.get_extra_info("sockname")[1]):
            port = self._plain_port
        else:
            self._refuse_others(host)
            self._tell(head, None)
        proxy = self._upstream.proxy_for("http", host)
        if proxy is None:
            other = await open_connection(host, port)
        else:
            other = await open_connection(proxy.host, proxy.port, tls=proxy.tls)
            path = head.target
            if proxy.authorization is not None:
                lines.append(f"Proxy-Authorization: {proxy.authorization}")
        first = [f"{head.method} {path} {head.version}", *lines, "Connection: close", "", ""]
        return other, "\r\n".join(first).encode("latin-1")

    def _refuse_others(self, host: str) -> None:
        if not self._pass_through:
            raise RefusedError(
                403,
                f"{host} is not a host of Azure, and this emulator leads nowhere else: it was "
                "started with --no-pass-through.",
            )

    def _tell(self, head: _Head | None, status: int | None) -> None:
        """Write what leads elsewhere, or is refused, into the journal; never with its query."""
        if self._journal is None or head is None:
            return
        try:
            url = urlsplit(f"//{head.target}" if head.method == "CONNECT" else head.target)
            host = (url.hostname or "").lower()
        except ValueError:
            return
        self._journal.write(
            Entry(
                time=time.time(),
                client=head.client,
                method=head.method,
                host=host,
                path=url.path[:_LONGEST_PATH],
                status=status,
            )
        )


def _refuse_azure(host: str) -> None:
    if is_refused(host):
        raise RefusedError(403, f"{host} is a host of Azure that the emulator does not answer for.")


def _parsed(raw: bytes) -> _Head:
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004
        raise RefusedError(400, "This is no HTTP/1 request.")
    return _Head(parts[0], parts[1], parts[2], tuple(lines))


def _authority(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise RefusedError(400, f"CONNECT needs a host and a port, not {target!r}.")
    return host.strip("[]").rstrip(".").lower(), int(port)


async def _refuse(writer: asyncio.StreamWriter, error: Exception) -> int:
    """Answer that something is not done, and give the status of the answer."""
    if isinstance(error, RefusedError):
        status, reason = error.status, error.reason
    elif isinstance(error, UnreachableError):
        status, reason = 502, str(error)
    else:
        status, reason = 431, "The request's head is too large."
    # Clients show the status line of a refused CONNECT and hide the body.
    line = " ".join(reason.split()).encode("latin-1", "replace").decode("latin-1")
    _LOGGER.info("refused: %s", line)
    body = f"{line}\n"
    writer.write(
        f"HTTP/1.1 {status} {line}\r\nContent-Type: text/plain; charset=latin-1\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode("latin-1")
    )
    with contextlib.suppress(OSError):
        await writer.drain()
    return status


async def _join(one: Connection, other: Connection, first: bytes) -> None:
    """Carry bytes both ways until both sides have said all."""
    other[1].write(first)
    tasks = [
        asyncio.ensure_future(_carry(one, other)),
        asyncio.ensure_future(_carry(other, one)),
    ]
    try:
        # The first failure ends the other direction too.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if any(isinstance(task.exception(), ConnectionResetError) for task in done):
            # Whoever is at the other end learns that this was no orderly end.
            reset(one[1].transport)
            reset(other[1].transport)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        other[1].close()


async def _carry(source: Connection, target: Connection) -> None:
    reader, writer = source[0], target[1]
    transport_socket = source[1].get_extra_info("socket")
    while piece := await reader.read(_PIECE):
        if _QUICK_ACKNOWLEDGEMENT is not None:
            # urllib3 keeps Nagle's algorithm on towards proxies and sends head and body apart:
            # it waits with the body until the head is acknowledged, by default 40 ms later.
            transport_socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACKNOWLEDGEMENT, 1)
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
