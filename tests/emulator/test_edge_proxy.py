"""The front as a proxy: what it answers itself, what it lets through, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from mlflow_azureml_backend.emulator import certificates
from mlflow_azureml_backend.emulator.hosts import is_refused, service_of
from mlflow_azureml_backend.emulator.http_server import HttpServer
from mlflow_azureml_backend.emulator.proxy import Front
from mlflow_azureml_backend.emulator.upstream import Upstream

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow_azureml_backend.emulator.endpoint import Endpoint


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("management.azure.com", "arm"),
        ("eastus.api.azureml.ms", "api"),
        ("account.blob.core.windows.net", "blob"),
        ("login.microsoftonline.com", "login"),
        ("a.b.blob.core.windows.net", None),
        ("blob.core.windows.net", None),
        ("management.azure.com.evil.example", None),
        ("evilmanagement.azure.com", None),
        ("www.example.org", None),
        ("", None),
    ],
)
def test_each_emulated_host_is_one_service(host: str, service: str | None) -> None:
    assert service_of(host) == service


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("registry.azurecr.io", True),
        ("account.dfs.core.windows.net", True),
        ("eastus.experiments.azureml.net", True),
        ("azure.com", True),
        ("dc.applicationinsights.azure.com", True),
        ("a.b.api.azureml.ms", True),
        ("management.azure.com", False),
        ("pkgs.dev.azure.com", False),
        ("notazure.com", False),
        ("files.pythonhosted.org", False),
    ],
)
def test_hosts_of_azure_are_either_emulated_or_refused(host: str, refused: bool) -> None:
    assert is_refused(host) is refused


def test_a_tunnel_to_a_host_that_is_not_emulated_is_refused_with_a_reason(
    signed_in: Endpoint,
) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 registry\.azurecr\.io is a"):
        requests.get("https://registry.azurecr.io/v2/", timeout=10)


def test_an_emulated_host_answers_on_the_https_port_alone(emulator: Endpoint) -> None:
    assert " 403 " in status_line(emulator.address, "CONNECT management.azure.com:22 HTTP/1.1")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("CONNECT nowhere HTTP/1.1", "400"),
        ("GET ftp://localhost/file HTTP/1.1", "400"),
        ("GET http://management.azure.com/ HTTP/1.1", "403"),
        ("GET http://account.queue.core.windows.net/ HTTP/1.1", "403"),
        ("CONNECT 127.0.0.1:1 HTTP/1.1", "502"),
        ("nonsense", "400"),
    ],
)
def test_what_cannot_be_done_is_answered_and_not_dropped(
    emulator: Endpoint, request_line: str, status: str
) -> None:
    assert status_line(emulator.address, request_line).split(" ")[1] == status


def test_a_head_without_end_is_refused(emulator: Endpoint) -> None:
    line = status_line(emulator.address, f"GET /{'x' * 70_000} HTTP/1.1")
    assert line.split(" ")[1] == "431"


def test_a_head_without_end_is_refused_behind_tls_too(emulator: Endpoint) -> None:
    with closing(tunneled(emulator)) as connection:
        with suppress(OSError):  # the refusal may come while the rest is still on its way
            for _ in range(10):
                connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 16_000)
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")


def test_bytes_that_come_before_their_tunnel_are_refused_and_not_lost(emulator: Endpoint) -> None:
    line = status_line(
        emulator.address, "CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n\x16\x03\x01"
    )
    assert line.split(" ")[1] == "400"


def test_a_client_without_tls_in_its_tunnel_harms_nobody(emulator: Endpoint) -> None:
    with closing(connected(emulator.address)) as connection:
        connection.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in connection.recv(1000)
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in connection.makefile("rb").read()
    with closing(tunneled(emulator)) as connection:
        asked = "GET /metadata/endpoints?api-version=2019-05-01 HTTP/1.1"
        connection.sendall(f"{asked}\r\nHost: management.azure.com\r\n\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 200 ")


def test_a_tunnel_to_another_host_carries_bytes_untouched(emulator: Endpoint) -> None:
    with echo_server() as port, closing(connected(emulator.address)) as connection:
        connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        stream = connection.makefile("rb")
        assert stream.readline().split(b" ")[1] == b"200"
        assert stream.readline() == b"\r\n"
        connection.sendall(b"\x00\xff not http \r\n")
        connection.shutdown(socket.SHUT_WR)
        assert stream.read() == b"\x00\xff not http \r\n"


def test_a_request_by_plain_http_is_forwarded(emulator: Endpoint) -> None:
    with web_server() as (port, seen):
        for _ in range(2):
            answer = requests.post(
                f"http://127.0.0.1:{port}/simple/?a=b",
                data=b"body",
                headers={"Proxy-Authorization": "Basic c2VjcmV0"},
                proxies={"http": emulator.proxy},
                timeout=10,
            )
            assert answer.text == "served"
    assert [line for line, _, _ in seen] == ["POST /simple/?a=b HTTP/1.1"] * 2
    assert [body for _, _, body in seen] == [b"body"] * 2
    assert all("Proxy-Authorization" not in headers for _, headers, _ in seen)


def test_the_front_answers_for_itself_also_when_it_is_its_own_proxy(emulator: Endpoint) -> None:
    answer = requests.get(
        f"{emulator.address}/_emulator/health", proxies={"http": emulator.proxy}, timeout=10
    )
    assert answer.json()["pid"] == emulator.pid


def test_the_front_does_not_answer_under_another_name(emulator: Endpoint) -> None:
    answer = requests.get(
        f"{emulator.address}/_emulator/health", headers={"Host": "rebound.example"}, timeout=10
    )
    assert answer.status_code == 501


def test_the_way_out_leads_through_the_proxy_of_the_network(tmp_path: Path) -> None:
    with web_server() as (port, seen):
        upstream = Upstream(
            {
                "https_proxy": f"http://user:p%40ss@127.0.0.1:{port}",
                "HTTP_PROXY": f"http://127.0.0.1:{port}",
                "NO_PROXY": "direct.example",
            },
            frozenset(),
        )
        with front(upstream, tmp_path) as address:
            line = status_line(address, "CONNECT www.example.org:443 HTTP/1.1")
            assert line.split(" ")[1] == "200"
            answer = requests.get("http://plain.example/x", proxies={"http": address}, timeout=10)
            assert answer.text == "served"
    (tunnel, headers, _), (plain, *_) = seen
    assert tunnel == "CONNECT www.example.org:443 HTTP/1.1"
    assert headers["Proxy-Authorization"] == f"Basic {base64.b64encode(b'user:p@ss').decode()}"
    assert plain == "GET http://plain.example/x HTTP/1.1"
    assert upstream.proxy_for("https", "direct.example") is None


def test_an_upstream_proxy_that_refuses_is_named_as_the_cause(tmp_path: Path) -> None:
    with web_server(tunnels=False) as (port, _):
        upstream = Upstream({"HTTPS_PROXY": f"127.0.0.1:{port}"}, frozenset())
        with front(upstream, tmp_path) as address:
            line = status_line(address, "CONNECT www.example.org:443 HTTP/1.1")
    assert " 502 The upstream proxy refused www.example.org:443: HTTP/1.0 405" in line


def test_an_emulator_is_not_its_own_upstream() -> None:
    upstream = Upstream({"HTTPS_PROXY": "http://127.0.0.1:4711"}, frozenset({4711}))
    assert upstream.proxy_for("https", "www.example.org") is None


def test_no_credential_of_a_proxy_is_shown() -> None:
    upstream = Upstream({"HTTPS_PROXY": "http://user:secret@proxy.example"}, frozenset())
    found = upstream.proxy_for("https", "www.example.org")
    assert found is not None
    assert (found.host, found.port) == ("proxy.example", 80)
    assert "secret" not in repr(found)
    assert base64.b64encode(b"user:secret").decode() not in repr(found)


def connected(address: str) -> socket.socket:
    url = urlsplit(address)
    return socket.create_connection((url.hostname, url.port), timeout=10)


def tunneled(emulator: Endpoint) -> ssl.SSLSocket:
    connection = connected(emulator.address)
    connection.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
    assert b" 200 " in connection.recv(1000)
    tls = ssl.create_default_context(cafile=emulator.ca_file)
    return tls.wrap_socket(connection, server_hostname="management.azure.com")


def status_line(address: str, request_line: str) -> str:
    with closing(connected(address)) as connection:
        connection.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        return connection.makefile("rb").readline().decode("latin-1")


@contextmanager
def echo_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while piece := connection.recv(4096):
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@contextmanager
def web_server(
    *, tunnels: bool = True
) -> Iterator[tuple[int, list[tuple[str, http.client.HTTPMessage, bytes]]]]:
    """Serve one text, and remember what was asked."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.requestline, self.headers, body))
            if self.command == "CONNECT" and not tunnels:
                self.send_error(405)
                return
            self.send_response(200)
            self.end_headers()
            if self.command != "CONNECT":
                self.wfile.write(b"served")

        do_GET = do_POST = do_CONNECT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def front(upstream: Upstream, folder: Path) -> Iterator[str]:
    """Run a front by itself, with nothing emulated behind it."""
    ready = threading.Event()
    kept = {}

    async def nothing(*_: object) -> None:
        raise AssertionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = HttpServer(nothing, certificates.prepare(folder).server)
        found = Front(server, upstream=upstream)
        listener = await loop.create_server(found.arrival, "127.0.0.1", 0)
        kept["port"] = listener.sockets[0].getsockname()[1]
        kept["loop"], kept["end"] = loop, asyncio.Event()
        ready.set()
        await kept["end"].wait()
        listener.close()
        found.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    ready.wait(10)
    try:
        yield f"http://127.0.0.1:{kept['port']}"
    finally:
        kept["loop"].call_soon_threadsafe(kept["end"].set)
        thread.join()
