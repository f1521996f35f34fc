"""The administration of a running emulator, asked from another process."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from mlflow_azureml_backend.emulator.endpoint import (
    HEALTH_PATH,
    PRODUCT,
    Endpoint,
    default_root,
    read_endpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_SECONDS: Final = 5.0


class EmulatorError(Exception):
    """An emulator does not do what it is told; the message says what to look at."""


def running(root: Path | None = None) -> Endpoint | None:
    """Give the endpoint of the emulator that runs on a state directory, or None.

    The endpoint file is believed only when the process it names answers at its address: it stays
    behind when an emulator is killed, and its port may be another program's by now.

    Args:
        root: the state directory; None means this user's own.
    """
    endpoint = read_endpoint(root or default_root())
    if endpoint is None:
        return None
    try:
        health = request(endpoint, "GET", HEALTH_PATH)
    except EmulatorError:
        return None
    answering = health.get("product"), health.get("pid")
    return endpoint if answering == (PRODUCT, endpoint.pid) else None


def status(endpoint: Endpoint) -> dict[str, Any]:
    """Ask a running emulator what it does: its settings, and `running_jobs`.

    Raises:
        EmulatorError: it does not answer.
    """
    return request(endpoint, "GET", "/_emulator/status")


def browser_link(endpoint: Endpoint, path: str) -> str:
    """Make a link that lets one browser in, once, within two minutes.

    Args:
        endpoint: a running emulator.
        path: the path and query of the page that it leads to.

    Raises:
        EmulatorError: it does not answer.
    """
    query = urlencode({"to": path})
    return str(request(endpoint, "POST", f"/_emulator/browser-link?{query}")["url"])


def request(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    body: Any = None,
    seconds: float = _ANSWER_SECONDS,
) -> dict[str, Any]:
    """Ask a route of the emulator's own administration, past any proxy.

    Args:
        endpoint: the emulator.
        method: the HTTP method.
        path: the path and query.
        body: what to send as JSON; None sends nothing.
        seconds: how long to wait for the answer.

    Raises:
        EmulatorError: nothing answers, or something refuses.
    """
    headers = {} if path == HEALTH_PATH else {"X-Emulator-Secret": endpoint.client_secret}
    content = None if body is None else json.dumps(body)
    netloc = urlsplit(endpoint.address).netloc
    connection = http.client.HTTPConnection(netloc, timeout=seconds)
    try:
        connection.request(method, path, body=content, headers=headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EmulatorError(f"No emulator answers at {endpoint.address}: {error}") from None
    finally:
        connection.close()
    if not isinstance(document, dict) or answer.status >= http.client.BAD_REQUEST:
        raise EmulatorError(_reason(document) or f"{method} {path}: status {answer.status}.")
    return document


def _reason(document: Any) -> str:
    """Give the words with which a route refuses."""
    error = document.get("error") if isinstance(document, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""
