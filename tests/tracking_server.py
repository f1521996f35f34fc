"""A stock MLflow server over HTTP, with authentication in front as a company's proxy has it.

It is the application that `mlflow server` runs, in a process of its own, without the web server and
the workers which that would start several more processes for.
"""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USER, PASSWORD, TOKEN = "somebody", "pass word's", "the-token"  # of the tests alone
_SECONDS_TO_START = 180
_SERVER = """
import sys
from mlflow.server import app
from werkzeug.serving import make_server
make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True).serve_forever()
"""
_OF_ONE_CONNECTION = {"connection", "transfer-encoding", "date", "server", "content-length"}


@dataclass
class TrackingServer:
    """Say where the server is, and let in, refuse or fail.

    Args:
        uri: Without credentials.
        authorization: The header that is let in; None lets in everybody.
        answer: Gives a status to answer a request's path with instead of the server's; None lets
            it through.
        agents: The `User-Agent` of each request that was let in.
    """

    uri: str = ""
    authorization: str | None = None
    answer: Callable[[str], int | None] = field(default=lambda _path: None)
    agents: list[str] = field(default_factory=list)

    def wants_basic(self) -> None:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.authorization = f"Basic {pair}"

    def wants_bearer(self) -> None:
        self.authorization = f"Bearer {TOKEN}"

    def refusal(self, path: str, authorization: str | None) -> int | None:
        if (status := self.answer(path)) is not None:
            return status
        return 401 if self.authorization not in {None, authorization} else None


@contextmanager
def running(root: Path) -> Iterator[TrackingServer]:
    """Run a server whose database and artifacts are in a folder, and the front before it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{root / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(root / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    with (root / "server.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(port)],
            stdout=output,
            stderr=output,
            cwd=root,
            env={**os.environ, **settings},
        )
    found = TrackingServer()
    front = ThreadingHTTPServer(("127.0.0.1", 0), _front(found, port))
    found.uri = f"http://127.0.0.1:{front.server_port}"
    threading.Thread(target=front.serve_forever, daemon=True).start()
    try:
        _wait_for(port, process, root / "server.txt")
        yield found
    finally:
        front.shutdown()
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def stock_server(empty_store: Path, tmp_path_factory) -> Iterator[TrackingServer]:
    """Run one MLflow server for all tests of a process."""
    root = tmp_path_factory.mktemp("tracking-server")
    shutil.copy(empty_store, root / "mlflow.db")
    with running(root) as found:
        yield found


@pytest.fixture
def tracking_server(stock_server: TrackingServer, monkeypatch) -> Iterator[TrackingServer]:
    """Give the server to a test, as MLflow's store."""
    import mlflow

    stock_server.agents.clear()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stock_server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    mlflow.set_tracking_uri(stock_server.uri)
    yield stock_server
    stock_server.authorization, stock_server.answer = None, lambda _path: None
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


def _front(server: TrackingServer, port: int) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = server.refusal(self.path, self.headers.get("Authorization"))
            if status is not None:
                self._answer(status, {}, b"not here")
                return
            server.agents.append(self.headers.get("User-Agent", ""))
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with closing(behind):
                behind.request(self.command, self.path, body, headers)
                answer = behind.getresponse()
                self._answer(answer.status, dict(answer.getheaders()), answer.read())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_one  # noqa: N815

    return Front


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    """Return when the server listens."""
    import time

    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(output.read_text())
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/health")
                if connection.getresponse().status == http.client.OK:
                    return
        except OSError:
            time.sleep(0.1)
