"""The connections of this process: one for each workspace, with one set of tokens and sockets."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from mlflow_azureml_backend.workspace.connection import Access, Connection

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.workspace.endpoint import Endpoint

# Whoever changes one of these means another user, or another way to the service.
_TELLING = ("AZURE", "IDENTITY_", "MSI_", "OBO_", "REQUESTS_CA", "CURL_CA", "SSL_CERT")
_accesses: dict[int, Access] = {}
_connections: dict[tuple[int, str], Connection] = {}
_lock = threading.Lock()


def connection_to(ref: WorkspaceRef, endpoint: Endpoint) -> Connection:
    """Give the process's connection to a workspace, which any number of threads may use.

    Args:
        ref: The workspace.
        endpoint: How to reach the service.
    """
    key = _key(endpoint)
    with _lock:
        found = _connections.get((key, ref.arm_id.lower()))
        if found is None:
            if key not in _accesses:
                _accesses[key] = Access(endpoint)
            found = Connection(ref, endpoint, access=_accesses[key])
            _connections[key, ref.arm_id.lower()] = found
        return found


def forget(connection: Connection) -> None:
    """Open anew next time: the user was refused, and may sign in as somebody else."""
    with _lock:
        for key in [key for key, known in _connections.items() if known is connection]:
            del _connections[key]
            _accesses.pop(key[0], None)


def _key(endpoint: Endpoint) -> int:
    """Tell ways to the service apart, without keeping what is secret of them."""
    told = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(_TELLING) or name.upper().endswith("_PROXY")
    }
    ways = [dict(endpoint.client_arguments), dict(endpoint.identity or {}), told]
    # A process that was forked must not write to its parent's sockets.
    return hash((os.getpid(), json.dumps(ways, sort_keys=True)))
