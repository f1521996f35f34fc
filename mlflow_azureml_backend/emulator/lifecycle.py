"""The life of an emulator as seen from outside: start, find, stop and wipe it."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.administration import (
    EmulatorError,
    browser_link,
    request,
    running,
    status,
)
from mlflow_azureml_backend.emulator.background import log_file, log_tail, spawn
from mlflow_azureml_backend.emulator.endpoint import Endpoint, default_root, remove_endpoint
from mlflow_azureml_backend.emulator.exclusive import exclusive
from mlflow_azureml_backend.emulator.runtimes.availability import (
    RuntimeUnavailableError,
    require_available,
)

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

__all__ = [
    "EmulatorError",
    "browser_link",
    "environment",
    "reset",
    "running",
    "start",
    "status",
    "stop",
]

_START_LOCK: Final = "start.lock"
_SERVER_LOCK: Final = "server.lock"
_TENANT_FILE: Final = "tenant.json"
_POLL_SECONDS: Final = 0.03
_LOOPBACK_NAMES: Final = "localhost,127.0.0.1,::1"


def start(
    root: Path | None = None,
    *,
    runtime: str = "venv",
    region: str = "eastus",
    idle_seconds: float | None = 1800.0,
    dwell_seconds: float = 0.3,
    record: Path | None = None,
    pass_through: bool = True,
    port: int = 0,
    seconds: float = 60.0,
) -> Endpoint:
    """Start an emulator in the background, unless one runs already, and wait until it answers.

    Any number of processes may do so at once: they all end up with the same one. One that runs
    keeps the settings it was started with.

    Args:
        root: the state directory; None means this user's own.
        runtime: what jobs run in: `venv`, `conda`, `docker` or `host`.
        region: the region it claims to be in.
        idle_seconds: ends itself after so many seconds of nothing; None never does.
        dwell_seconds: seconds a job stays in each transitional status.
        record: a file to which every exchange with the services is written, its secrets masked.
        pass_through: its proxy also leads to hosts that are not Azure's.
        port: the front's port; 0 takes the one of last time, or any.
        seconds: how long to wait at most.

    Raises:
        EmulatorError: it does not start, or the runtime lacks what it needs here.
    """
    root = root or default_root()
    try:
        with exclusive(root / _START_LOCK, seconds=seconds):
            found = running(root)
            if found is not None:
                return found
            require_available(runtime)
            arguments = [
                *("--root", str(root)),
                *("--runtime", runtime),
                *("--region", region),
                *("--idle-seconds", str(idle_seconds or 0)),
                *("--dwell-seconds", str(dwell_seconds)),
                *("--port", str(port)),
                *(() if record is None else ("--record", str(record))),
                *(() if pass_through else ("--no-pass-through",)),
            ]
            return _answering(root, spawn(root, arguments), seconds)
    except RuntimeUnavailableError as error:
        raise EmulatorError(str(error)) from None
    except TimeoutError:
        raise EmulatorError(
            f"Another process starts an emulator on {root} and does not come to an end."
        ) from None


def stop(root: Path | None = None, *, seconds: float = 60.0) -> bool:
    """Stop the emulator of a state directory and wait until its process has let go of it.

    Its running jobs are canceled; everything it holds is there again at the next start.

    Args:
        root: the state directory; None means this user's own.
        seconds: how long to wait at most.

    Returns:
        False when none was running.

    Raises:
        EmulatorError: it does not end.
    """
    root = root or default_root()
    endpoint = running(root)
    if endpoint is None:
        remove_endpoint(root)
        return False
    request(endpoint, "POST", "/_emulator/stop")
    try:
        # Its process holds this lock as long as it lives.
        with exclusive(root / _SERVER_LOCK, seconds=seconds):
            return True
    except TimeoutError:
        raise EmulatorError(
            f"The emulator (process {endpoint.pid}) did not end within {seconds:g} seconds; "
            f"{log_file(root)} says what it does."
        ) from None


def reset(root: Path | None = None, *, seconds: float = 60.0) -> None:
    """Stop the emulator of a state directory and wipe everything it holds.

    Args:
        root: the state directory; None means this user's own.
        seconds: how long to wait at most for its end.

    Raises:
        EmulatorError: it does not end, or the directory is not an emulator's.
    """
    root = root or default_root()
    stop(root, seconds=seconds)
    if not root.exists():
        return
    locks = {_START_LOCK, _SERVER_LOCK}
    kept = [entry for entry in root.iterdir() if entry.name not in locks]
    if kept and not (root / _TENANT_FILE).is_file():
        raise EmulatorError(f"{root} is not the state directory of an emulator: nothing is wiped.")
    with exclusive(root / _START_LOCK, seconds=seconds):
        # The file by which such a directory is known goes last, so that a reset can be repeated.
        for entry in sorted(kept, key=lambda entry: entry.name == _TENANT_FILE):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def environment(endpoint: Endpoint) -> dict[str, str]:
    """Give the variables with which any program on this machine uses the emulator as Azure.

    Args:
        endpoint: a running emulator.
    """
    return {
        # Of both spellings Python and curl prefer the one in lower case.
        "HTTPS_PROXY": endpoint.proxy,
        "https_proxy": endpoint.proxy,
        "NO_PROXY": _LOOPBACK_NAMES,
        "no_proxy": _LOOPBACK_NAMES,
        "REQUESTS_CA_BUNDLE": endpoint.ca_file,
        "SSL_CERT_FILE": endpoint.ca_file,
        "CURL_CA_BUNDLE": endpoint.ca_file,
        "AZURE_TENANT_ID": endpoint.tenant_id,
        "AZURE_CLIENT_ID": endpoint.client_id,
        "AZURE_CLIENT_SECRET": endpoint.client_secret,
        "AZUREML_ARM_SUBSCRIPTION": endpoint.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": endpoint.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": endpoint.workspace_name,
    }


def _answering(root: Path, process: Popen[bytes], seconds: float) -> Endpoint:
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        found = running(root)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            process.terminate()
            raise EmulatorError(f"The emulator does not answer.{log_tail(root)}")
        time.sleep(_POLL_SECONDS)
    raise EmulatorError(f"The emulator ended as soon as it was started.{log_tail(root)}")
