"""The loopback socket of an emulator, on a port that stays."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.private_files import write_private
from mlflow_azureml_backend.emulator.proxy import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

_BACKLOG: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Hold the front's socket; connections to it wait until they are served.

    Args:
        front: the socket.
        ports: its port and the one it had before.
    """

    front: socket.socket
    ports: frozenset[int]

    @property
    def address(self) -> str:
        """Give the URL of the front."""
        return f"http://{LOOPBACK}:{_port_of(self.front)}"

    def close(self) -> None:
        """Close it."""
        self.front.close()


def listen(kept: Path, port: int) -> Listener:
    """Open the socket.

    Args:
        kept: the file that remembers the front's port, so that links survive a restart.
        port: the front's port; 0 takes the one it had before, or any when that is taken.

    Raises:
        OSError: the port is taken.
    """
    former = _remembered(kept)
    try:
        front = _bound(port or former)
    except (OSError, OverflowError):
        if port:
            raise
        front = _bound(0)
    write_private(kept, str(_port_of(front)).encode())
    return Listener(front=front, ports=frozenset({_port_of(front), former}))


def _port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _remembered(kept: Path) -> int:
    try:
        return int(kept.read_bytes())
    except (OSError, ValueError):
        return 0


def _bound(port: int) -> socket.socket:
    # asyncio turns off Nagle's delay only where the protocol is named.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option would let two processes share the port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((LOOPBACK, port))
        # From here on connections wait, so whoever reads the endpoint file is never too early.
        found.listen(_BACKLOG)
    except (OSError, OverflowError):
        found.close()
        raise
    return found
