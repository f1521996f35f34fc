"""The way out: straight to a host, or through the proxy that this network wants."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_SECONDS: Final = 30.0
_LARGEST_HEAD: Final = 1 << 16

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class UnreachableError(Exception):
    """A host could not be reached; the message says why and holds no credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Hold one upstream proxy.

    Args:
        host: its host.
        port: its port.
        tls: it is itself asked by https.
        authorization: the value of `Proxy-Authorization`, or None.
    """

    host: str
    port: int
    tls: bool
    authorization: str | None = field(repr=False)


class Upstream:
    """Connect to hosts that the emulator does not answer for.

    Args:
        environment: the environment variables: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY,
            of which the spelling in lower case wins.
        own_ports: ports of this very emulator; a proxy there would be itself.
    """

    def __init__(self, environment: Mapping[str, str], own_ports: frozenset[int]) -> None:
        self._settings: dict[str, str] = {}
        for name in ("https", "http", "all", "no"):
            variable = f"{name}_proxy"
            text = environment.get(variable) or environment.get(variable.upper())
            if text:
                self._settings[name] = text
        self._own_ports = own_ports

    def proxy_for(self, scheme: str, host: str) -> Proxy | None:
        """Say which proxy leads to a host, or None when the way is straight.

        Args:
            scheme: `http` or `https`.
            host: the host.
        """
        text = self._settings.get(scheme) or self._settings.get("all")
        if text is None or proxy_bypass_environment(host, self._settings):
            return None
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.hostname in {"127.0.0.1", "localhost"} and port in self._own_ports:
            return None
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            authorization = f"Basic {base64.b64encode(pair).decode()}"
        return Proxy(
            host=parts.hostname,
            port=port,
            tls=parts.scheme == "https",
            authorization=authorization,
        )

    async def tunnel(self, host: str, port: int) -> Connection:
        """Open a connection whose bytes reach a host untouched.

        Raises:
            UnreachableError: it cannot be opened.
        """
        proxy = self.proxy_for("https", host)
        if proxy is None:
            return await open_connection(host, port)
        reader, writer = await open_connection(proxy.host, proxy.port, tls=proxy.tls)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if proxy.authorization is not None:
            head += f"Proxy-Authorization: {proxy.authorization}\r\n"
        try:
            writer.write(f"{head}\r\n".encode("latin-1"))
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            writer.close()
            reason = type(error).__name__
            raise UnreachableError(f"The upstream proxy did not answer ({reason}).") from None
        status = answer.split(b"\r\n", 1)[0].decode("latin-1")
        if status.split(" ")[1:2] != ["200"]:
            writer.close()
            raise UnreachableError(f"The upstream proxy refused {target}: {status}")
        return reader, writer


async def open_connection(host: str, port: int, *, tls: bool = False) -> Connection:
    """Open a connection.

    Raises:
        UnreachableError: it cannot be opened.
    """
    try:
        return await asyncio.wait_for(
            asyncio.open_connection(host, port, ssl=tls or None, limit=_LARGEST_HEAD),
            _CONNECT_SECONDS,
        )
    except (OSError, asyncio.TimeoutError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"{host}:{port} cannot be reached: {reason}") from None
