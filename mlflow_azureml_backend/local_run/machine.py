"""Which machine this is."""

from __future__ import annotations

import socket


def this_machine() -> str:
    """Give this machine's name, by which a local run says where it is."""
    return socket.gethostname()
