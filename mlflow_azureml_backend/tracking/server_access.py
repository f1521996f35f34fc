"""How this machine gets into the MLflow store of its tracking URI."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlflow_azureml_backend.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASIC = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_OF_A_SERVER = (
    "MLFLOW_TRACKING_TOKEN",
    *_BASIC,
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
)
_SERVICE_PRINCIPAL = ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET")


def variables_needed(tracking_uri: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Name the variables that a job needs to get into the store as this machine does.

    Args:
        tracking_uri: MLflow's tracking URI.
        environ: This machine's variables.
    """
    parts = urlsplit(tracking_uri)
    if tracking_uri == "databricks" or parts.scheme == "databricks":
        if all(environ.get(name) for name in _SERVICE_PRINCIPAL):
            return _SERVICE_PRINCIPAL
        return ("DATABRICKS_TOKEN",)
    if parts.scheme not in {"http", "https"}:
        return ()
    needed = [name for name in _OF_A_SERVER if environ.get(name)]
    if parts.username or _has_credentials_file():
        needed += [name for name in _BASIC if name not in needed]
    return tuple(needed)


def databricks_host(tracking_uri: str) -> str | None:
    """Give the Databricks workspace that a tracking URI leads to; None for another store.

    Raises:
        TrackingError: This machine knows no such workspace.
    """
    if tracking_uri != "databricks" and not tracking_uri.startswith("databricks://"):
        return None
    from mlflow.utils.databricks_utils import get_databricks_host_creds

    try:
        return str(get_databricks_host_creds(tracking_uri).host)
    except Exception as error:
        # MLflow's own errors, and those of Databricks' SDK, which is not always there.
        raise TrackingError(
            f"The tracking URI '{tracking_uri}' leads to no Databricks workspace that this "
            f"machine knows: {error}"
        ) from error


def addresses(host: str) -> list[str]:
    """Give the addresses of a host; none where it cannot be resolved."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None)]
    except OSError:  # behind a proxy, which resolves the names
        return []


def _has_credentials_file() -> bool:
    from mlflow.utils.credentials import read_mlflow_creds

    return bool(read_mlflow_creds().password)
