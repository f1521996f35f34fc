"""The HTTP server: it answers on connections that the front has accepted, with TLS or without."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from mlflow_azureml_backend.emulator.http_protocol import TellingProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

_GRACE_SECONDS: Final = 3
_KEEP_ALIVE_SECONDS: Final = 75


class HttpServer(uvicorn.Server):
    """Answer requests with an application; `serve(sockets=[])` runs it, which listens nowhere.

    A connection is handed over after its first bytes were read: a server behind a socket of its
    own would want every byte carried there and back.

    Args:
        application: what answers; the scheme in a request's scope says whether it came by TLS.
        certificate: the file with the server's key and its certificate.
    """

    def __init__(self, application: ASGIApp, certificate: Path) -> None:
        config = uvicorn.Config(
            application,
            http=TellingProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        config.load()
        super().__init__(config)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)

    def answer(self, connection: asyncio.Transport, received: bytes) -> None:
        """Answer the requests of a connection from here on.

        Args:
            connection: the connection.
            received: what was already read of it.
        """
        self._answer(connection, connection, received)

    async def answer_tls(self, connection: asyncio.Transport) -> None:
        """Answer the requests of a connection whose client begins TLS now."""
        early = _Early()
        try:
            inner = await asyncio.get_running_loop().start_tls(
                connection, early, self._tls, server_side=True
            )
        except (OSError, asyncio.TimeoutError):
            connection.close()  # the client left, or does not trust this server
        else:
            if inner is not None and not inner.is_closing():
                self._answer(inner, connection, bytes(early.received))

    def drop(self) -> None:
        """Close all connections, also those that clients keep for later."""
        for each in list(self.server_state.connections):
            # An orderly end of TLS would wait for clients that do not listen now.
            each.wire.close()

    def install_signal_handlers(self) -> None:
        """Do nothing (uvicorn before 0.29): the process's signals have one owner, `serve`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing (uvicorn from 0.29 on)."""
        yield

    def _answer(
        self, connection: asyncio.Transport, wire: asyncio.Transport, received: bytes
    ) -> None:
        protocol = TellingProtocol(
            config=self.config, server_state=self.server_state, app_state={}, wire=wire
        )
        connection.set_protocol(protocol)
        protocol.connection_made(connection)
        if received:
            protocol.data_received(received)


class _Early(asyncio.Protocol):
    """Keep what a client sends at the end of its handshake, until somebody answers it."""

    def __init__(self) -> None:
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
