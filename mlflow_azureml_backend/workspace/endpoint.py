"""Where requests go: Azure itself, or the emulator on this machine.

Both are spoken to with production URLs; for the emulator a proxy and a CA bundle are given to
each client, and the process's environment stays as it is.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_azureml_backend.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_SECONDS = 60
_ROOT = "MLFLOW_AZUREML_EMULATOR_ROOT"
_emulators: dict[str | None, Endpoint] = {}
_starting = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How this process reaches the service.

    Args:
        client_arguments: Keyword arguments for every azure-core client: none for Azure, proxy and
            CA bundle for the emulator.
        identity: Tenant, client and secret that sign in to the emulator; None for Azure.
        variables: Environment variables by which any other client reaches it and signs in: none
            for Azure, which clients find by themselves.
    """

    client_arguments: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, str] | None = field(default=None, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def credential(self, *, transport: Any) -> Any:
        """Build the azure-identity credential that this endpoint accepts.

        Args:
            transport: azure-core's, over which it asks.
        """
        from azure import identity

        from mlflow_azureml_backend.workspace.job_identity import azure_credential

        if self.identity is None:
            return azure_credential(os.environ, transport=transport)
        return identity.ClientSecretCredential(
            self.identity["tenant_id"],
            self.identity["client_id"],
            self.identity["client_secret"],
            transport=transport,
            **self.client_arguments,
        )


AZURE = Endpoint()


def emulator_endpoint() -> Endpoint:
    """Find the emulator of this machine, starting it when it is not up.

    It runs as its own process and this package does not import it, so that client and service can
    not share a mistake; what joins them is the JSON that `emulator start` prints.

    Raises:
        UnavailableError: It could not be started, with its own words.
    """
    root = os.environ.get(_ROOT)
    with _starting:  # whoever needs it at the same time waits for the same start
        known = _emulators.get(root)
        if known is None or not _is_listening(known.client_arguments["proxies"]["https"]):
            known = _emulators[root] = _started()
        return known


def _is_listening(proxy: str) -> bool:
    place = urlsplit(proxy)
    try:
        with socket.create_connection((str(place.hostname), place.port or 0), timeout=2):
            return True
    except OSError:
        return False


def _started() -> Endpoint:
    command = [sys.executable, "-m", "mlflow_azureml_backend.cli", "emulator", "start", "--json"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_START_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"The emulator did not start within {_START_SECONDS} seconds; see "
            "`mlflow-azureml emulator status`."
        ) from error
    if answer.returncode != 0:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UnavailableError(f"The emulator could not be started: {reason[0]}")
    facts = json.loads(answer.stdout)
    return Endpoint(
        client_arguments={
            "proxies": {"https": facts["proxy"]},
            "connection_verify": facts["ca_file"],
        },
        identity={key: facts[key] for key in ("tenant_id", "client_id", "client_secret")},
        variables=facts["variables"],
    )
