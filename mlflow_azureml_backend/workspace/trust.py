"""Whose certificates this process trusts.

They are read once: urllib3 reads them for each connection, which takes longer than a request.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from mlflow_azureml_backend.workspace.endpoint import Endpoint

_contexts: dict[str, ssl.SSLContext] = {}
_lock = threading.Lock()


def trusting(endpoint: Endpoint) -> ssl.SSLContext:
    """Give the TLS settings for connections to an endpoint, with the authorities of requests.

    Args:
        endpoint: How to reach the service; its `connection_verify` goes before the variables
            `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`, and these before certifi.
    """
    import certifi

    authorities = (
        endpoint.client_arguments.get("connection_verify")
        or os.environ.get("REQUESTS_CA_BUNDLE")
        or os.environ.get("CURL_CA_BUNDLE")
        or certifi.where()
    )
    with _lock:
        if authorities not in _contexts:
            _contexts[authorities] = _context(authorities)
        return _contexts[authorities]


def _context(authorities: str) -> ssl.SSLContext:
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    if Path(authorities).is_dir():
        context.load_verify_locations(capath=authorities)
    else:
        context.load_verify_locations(cafile=authorities)
    return context
