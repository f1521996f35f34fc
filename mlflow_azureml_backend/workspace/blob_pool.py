"""The sockets over which this process talks to storage."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.endpoint import Endpoint

MOST_CONNECTIONS = 32
"""So many connections to one host at most."""

_pools: dict[tuple[Any, ...], Any] = {}
_pools_lock = threading.Lock()


def blob_pool(endpoint: Endpoint, url: str) -> Any:
    """Give the process's pool for a way to the service, the one that requests would take.

    Args:
        endpoint: How to reach the service.
        url: Where to.
    """
    import certifi
    import requests.utils
    import urllib3

    arguments = dict(endpoint.client_arguments)
    proxies = arguments.get("proxies") or requests.utils.get_environ_proxies(url)
    proxy = requests.utils.select_proxy(url, proxies)
    verify = (
        arguments.get("connection_verify")
        or os.environ.get("REQUESTS_CA_BUNDLE")
        or os.environ.get("CURL_CA_BUNDLE")
        or certifi.where()
    )
    key = (os.getpid(), proxy, verify)
    with _pools_lock:
        if key not in _pools:
            options: dict[str, Any] = {
                "maxsize": MOST_CONNECTIONS,
                "block": True,
                "timeout": urllib3.Timeout(connect=10, read=60),
                "ssl_context": _context(verify),
            }
            if proxy is None:
                _pools[key] = urllib3.PoolManager(**options)
            else:
                user, password = requests.utils.get_auth_from_url(proxy)
                if user:
                    options["proxy_headers"] = urllib3.make_headers(
                        proxy_basic_auth=f"{user}:{password}"
                    )
                _pools[key] = urllib3.ProxyManager(proxy, **options)
        return _pools[key]


def _context(verify: str) -> Any:
    """Read the authorities once; urllib3 would do it for each connection, and longest of all."""
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    if Path(verify).is_dir():
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(cafile=verify)
    return context
