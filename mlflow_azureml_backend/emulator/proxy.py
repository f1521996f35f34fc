"""The front: one loopback port that is a CONNECT proxy, a plain proxy and a small web server.

What a connection becomes is decided by its first request line. A tunnel to an emulated host ends
right here, one to any other host passes through untouched, and none leads to a host of Azure that
is not emulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mlflow_azureml_backend.emulator.first_head import Arrival, Head, RefusedError, read_head
from mlflow_azureml_backend.emulator.hosts import is_refused, service_of
from mlflow_azureml_backend.emulator.http_protocol import acknowledge
from mlflow_azureml_backend.emulator.journal import Entry
from mlflow_azureml_backend.emulator.resets import reset
from mlflow_azureml_backend.emulator.upstream import UnreachableError, open_connection

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mlflow_azureml_backend.emulator.http_server import HttpServer
    from mlflow_azureml_backend.emulator.journal import Journal
    from mlflow_azureml_backend.emulator.upstream import Connection, Upstream

_LOGGER: Final = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
"""The one address that the emulator listens on."""

_HTTPS: Final = 443
_PIECE: Final = 1 << 16
_LONGEST_PATH: Final = 2000
_OK: Final = 200
_BAD_GATEWAY: Final = 502
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Front:
    """Serve the front's connections.

    Args:
        server: answers what is asked of the emulator itself.
        upstream: the way to hosts that are not emulated.
        pass_through: lead to hosts that are not Azure's; otherwise they are refused too.
        journal: told of what leads elsewhere and of what is refused; the rest is told of where
            it is answered.
    """

    def __init__(
        self,
        server: HttpServer,
        *,
        upstream: Upstream,
        pass_through: bool = True,
        journal: Journal | None = None,
    ) -> None:
        self._server = server
        self._upstream = upstream
        self._pass_through = pass_through
        self._journal = journal
        self._tasks: set[asyncio.Task[None]] = set()

    def arrival(self) -> Arrival:
        """Make the protocol of a new connection, as `loop.create_server` asks for it."""
        return Arrival(self._arrived)

    def close(self) -> None:
        """Drop all connections, also those that clients keep for later."""
        for task in self._tasks:
            task.cancel()
        self._server.drop()

    def _arrived(self, connection: asyncio.Transport, received: bytes) -> None:
        """Hand a connection, of which a head was read, to whom it is for."""
        with contextlib.suppress(RefusedError):
            if self._answered_here(connection, received):
                return

        def lead_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._begin(self._lead_on(received, (reader, writer)))

        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(), lead_on)
        connection.set_protocol(protocol)
        protocol.connection_made(connection)

    def _answered_here(self, connection: asyncio.Transport, received: bytes) -> bool:
        head = read_head(received)
        if head.method == "CONNECT":
            host, port = head.authority
            if service_of(host) is None or port != _HTTPS or head.rest:
                return False
            connection.write(_ESTABLISHED)
            self._begin(self._server.answer_tls(connection))
            return True
        if not head.target.startswith("/"):
            host, port, path = head.destination
            if (host, port) != (LOOPBACK, connection.get_extra_info("sockname")[1]):
                return False
            received = head.forwarded(path)
        self._server.answer(connection, received)
        return True

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead_on(self, received: bytes, client: Connection) -> None:
        """Serve a connection that leads elsewhere, or nowhere, to its end."""
        head, writer = None, client[1]
        try:
            head = read_head(received)
            other, first = await self._opened(head, writer)
        except (RefusedError, UnreachableError) as error:
            self._tell(head, await _refuse(writer, error))
        else:
            await _join(client, other, first)
        finally:
            writer.close()

    async def _opened(self, head: Head, writer: asyncio.StreamWriter) -> tuple[Connection, bytes]:
        """Open the other side of a connection, and say what is to be sent there first."""
        if head.method != "CONNECT":
            return await self._forwarded(head)
        host, port = head.authority
        _refuse_azure(host)
        if service_of(host) is not None:
            if port != _HTTPS:
                raise RefusedError(403, f"The emulator answers for {host} on port 443 alone.")
            raise RefusedError(400, "A tunnel begins when CONNECT was answered, not before.")
        self._refuse_others(host)
        other = await self._upstream.tunnel(host, port)
        self._tell(head, _OK)
        writer.write(_ESTABLISHED)
        return other, head.rest

    async def _forwarded(self, head: Head) -> tuple[Connection, bytes]:
        """Forward one request by plain http; the connection ends with its answer."""
        host, port, path = head.destination
        if service_of(host) is not None:
            raise RefusedError(403, f"The emulator answers for {host} by https alone.")
        _refuse_azure(host)
        self._refuse_others(host)
        self._tell(head, None)
        proxy = self._upstream.proxy_for("http", host)
        if proxy is None:
            return await open_connection(host, port), head.forwarded(path)
        other = await open_connection(proxy.host, proxy.port, tls=proxy.tls)
        if proxy.authorization is None:
            return other, head.forwarded(head.target)
        authorization = f"Proxy-Authorization: {proxy.authorization}"
        return other, head.forwarded(head.target, [authorization])

    def _refuse_others(self, host: str) -> None:
        if not self._pass_through:
            raise RefusedError(
                403,
                f"{host} is not a host of Azure, and this emulator leads nowhere else: it was "
                "started with --no-pass-through.",
            )

    def _tell(self, head: Head | None, status: int | None) -> None:
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


async def _refuse(writer: asyncio.StreamWriter, error: RefusedError | UnreachableError) -> int:
    """Answer that something is not done, and give the status of the answer."""
    status = error.status if isinstance(error, RefusedError) else _BAD_GATEWAY
    # Clients show the status line of a refused CONNECT and hide the body.
    line = " ".join(str(error).split()).encode("latin-1", "replace").decode("latin-1")
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
    while piece := await reader.read(_PIECE):
        acknowledge(source[1].transport)
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
