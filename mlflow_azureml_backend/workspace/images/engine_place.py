"""Where this machine's Docker Engine would listen, told without docker-py, which takes long."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKET = Path("/var/run/docker.sock")
_CONFIG = "config.json"


def may_listen(environ: Mapping[str, str]) -> bool:
    """Tell whether an engine may be there; not so where its place is known and empty.

    Args:
        environ: The process's variables.
    """
    host = environ.get("DOCKER_HOST")
    if host:
        scheme, _, path = host.rpartition("unix://")
        return bool(scheme) or host == path or Path(path).exists()
    if os.name == "nt" or _has_context(environ):
        return True
    return _SOCKET.exists()


def _has_context(environ: Mapping[str, str]) -> bool:
    """Tell whether the user has chosen another engine than the one of the system."""
    chosen = environ.get("DOCKER_CONTEXT")
    if not chosen:
        folder = environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
        try:
            chosen = json.loads(Path(folder, _CONFIG).read_text("utf-8")).get("currentContext")
        except (OSError, ValueError, AttributeError):
            return False
    return bool(chosen) and chosen != "default"
