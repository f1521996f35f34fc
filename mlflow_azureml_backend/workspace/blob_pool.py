"""The sockets over which this process talks to storage."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.workspace.trust import trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from mlflow_azureml_backend.workspace.endpoint import Endpoint

MOST_CONNECTIONS = 32
"""So many connections to one host at most."""

_CONNECT_SECONDS = 10
_READ_SECONDS = 60

_pools: dict[tuple[Any, ...], BlobPool] = {}
_quiet: dict[str, Quiet] = {}
_lock = threading.Lock()


@dataclass(slots=True)
class Quiet:
    """How long a host wants to be left alone: 429 and 503 are meant for all, not for who was told.

    Args:
        until: By `time.monotonic`.
    """

    until: float = 0.0


def quiet(url: str) -> Quiet:
    """Give what all uploads of this process know of a host's wish to be left alone.

    Args:
        url: A URL of the host.
    """
    with _lock:
        return _quiet.setdefault(urlsplit(url).netloc, Quiet())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has been read."""

    status: int
    reason: str
    headers: Any
    data: bytes


class BlobPool(Protocol):
    """Connections that are kept open between requests, for any number of threads."""

    def request(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], retries: bool
    ) -> Answer:
        """Send one request and read its answer; may raise OSError, or of http.client or urllib3."""


def blob_pool(endpoint: Endpoint, url: str) -> BlobPool:
    """Give the process's pool for a way to the service, the one that requests would take.

    Args:
        endpoint: How to reach the service.
        url: Where to.
    """
    import requests.utils

    arguments = dict(endpoint.client_arguments)
    proxies = arguments.get("proxies") or requests.utils.get_environ_proxies(url)
    proxy = requests.utils.select_proxy(url, proxies)
    context = trusting(endpoint)
    key = (os.getpid(), proxy, id(context))
    with _lock:
        if key not in _pools:
            if proxy is None or urlsplit(proxy).scheme == "http":
                _pools[key] = _Pool(context, proxy)
            else:
                _pools[key] = _urllib3_pool(context, proxy)
        return _pools[key]


def open_ahead(endpoint: Endpoint, url: str, count: int) -> None:
    """Begin to open connections that will soon be wanted; whoever wants one waits for it.

    Args:
        endpoint: How to reach the service.
        url: Where to.
        count: How many.
    """
    pool = blob_pool(endpoint, url)
    if isinstance(pool, _Pool):
        pool.open_ahead(urlsplit(url).netloc, count)


class _Host:
    """The connections to one host: how many are used, which wait, and which are coming."""

    def __init__(self) -> None:
        self.room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.used = 0
        self.idle: list[HTTPSConnection] = []
        self.coming: list[Future[HTTPSConnection]] = []


class _Pool:
    """Python's own HTTP, which takes half the time of urllib3 for a small file.

    Args:
        context: TLS settings.
        proxy: URL of an http proxy, or None.
    """

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self._context = context
        self._proxy = urlsplit(proxy) if proxy else None
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def request(
        self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], retries: bool
    ) -> Answer:
        """Send one request and read its answer."""
        del retries  # urllib3's word for "no more than this once"
        name, target = _split(url)
        with self._lock:
            host = self._hosts.setdefault(name, _Host())
        with host.room, self._using(host):
            # Whom the service left meanwhile is not known before somebody asks.
            try:
                if (connection := self._waiting(host)) is not None:
                    return self._asked(host, connection, method, target, body, headers)
            except TimeoutError:
                raise
            except (HTTPException, OSError):
                pass
            return self._asked(host, self._opened(name), method, target, body, headers)

    def open_ahead(self, name: str, count: int) -> None:
        """Begin to open connections, so that there are so many."""
        with self._lock:
            host = self._hosts.setdefault(name, _Host())
            there = host.used + len(host.idle) + len(host.coming)
            host.coming += [begin(partial(self._opened, name)) for _ in range(count - there)]

    @contextmanager
    def _using(self, host: _Host) -> Iterator[None]:
        with self._lock:
            host.used += 1
        try:
            yield
        finally:
            with self._lock:
                host.used -= 1

    def _waiting(self, host: _Host) -> HTTPSConnection | None:
        with self._lock:
            if host.idle:
                return host.idle.pop()
            coming = host.coming.pop(0) if host.coming else None
        return coming.result() if coming else None

    def _asked(
        self,
        host: _Host,
        connection: HTTPSConnection,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            data = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            with self._lock:
                host.idle.append(connection)
        return Answer(answer.status, answer.reason, answer.headers, data)

    def _opened(self, name: str) -> HTTPSConnection:
        host, _, port = name.partition(":")
        if self._proxy is None:
            connection = HTTPSConnection(
                host, int(port or 443), timeout=_CONNECT_SECONDS, context=self._context
            )
        else:
            connection = HTTPSConnection(
                str(self._proxy.hostname),
                self._proxy.port or 80,
                timeout=_CONNECT_SECONDS,
                context=self._context,
            )
            connection.set_tunnel(host, int(port or 443), _authentication(self._proxy))
        connection.connect()
        connection.sock.settimeout(_READ_SECONDS)
        return connection


def _split(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc, f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path


def _authentication(proxy: Any) -> dict[str, str]:
    from urllib3 import make_headers

    if proxy.username is None:
        return {}
    user, password = unquote(proxy.username), unquote(proxy.password or "")
    return dict(make_headers(proxy_basic_auth=f"{user}:{password}"))


def _urllib3_pool(context: ssl.SSLContext, proxy: str) -> Any:
    """Speak to proxies that want TLS themselves, which Python's own HTTP does not."""
    import requests.utils
    import urllib3

    user, password = requests.utils.get_auth_from_url(proxy)
    return urllib3.ProxyManager(
        proxy,
        maxsize=MOST_CONNECTIONS,
        block=True,
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        ssl_context=context,
        proxy_headers=urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None,
    )
