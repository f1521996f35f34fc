"""The endpoint file: how a client on this machine finds a running emulator and gets in."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

PRODUCT: Final = "mlflow-azureml-emulator"
"""What the emulator calls itself in its health answer."""

HEALTH_PATH: Final = "/_emulator/health"
"""The path of that answer on the front."""

ROOT_VARIABLE: Final = "MLFLOW_AZUREML_EMULATOR_ROOT"
"""The environment variable that names another state directory than the user's own."""

_FILE: Final = "endpoint.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Say how a client gets into one running emulator.

    Args:
        pid: the emulator's process.
        address: `http://127.0.0.1:PORT` of its front.
        proxy: the HTTPS proxy through which it answers for Azure's hosts; the same address.
        ca_file: the PEM file of authorities to trust: the public ones and the emulator's own.
        tenant_id: its tenant.
        client_id: the one client that may sign in.
        client_secret: that client's secret.
        authority: where to sign in.
        subscription_id: the subscription of its workspace.
        resource_group: the resource group of its workspace.
        workspace_name: the workspace.
        version: the version of this package that runs it.
    """

    pid: int
    address: str
    proxy: str
    ca_file: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    authority: str
    subscription_id: str
    resource_group: str
    workspace_name: str
    version: str


def default_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Give the state directory of this user's emulator.

    It is what MLFLOW_AZUREML_EMULATOR_ROOT names, or a folder where the platform keeps the state
    of applications.

    Args:
        environment: the environment variables.
    """
    if named := environment.get(ROOT_VARIABLE):
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "mlflow-azureml-backend" / "emulator"


def read_endpoint(root: Path) -> Endpoint | None:
    """Read the endpoint file of a state directory; None when there is none that can be read.

    A file alone does not prove that the emulator still runs: `lifecycle.running` asks it.
    """
    try:
        document = json.loads((root / _FILE).read_bytes())
        return Endpoint(**{each.name: document[each.name] for each in fields(Endpoint)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_endpoint(root: Path, endpoint: Endpoint) -> None:
    """Write the endpoint file, readable by its owner alone."""
    write_private(root / _FILE, json.dumps(asdict(endpoint), indent=2).encode())


def remove_endpoint(root: Path) -> None:
    """Remove the endpoint file; do nothing when there is none."""
    (root / _FILE).unlink(missing_ok=True)
