"""The Docker Engine: how it is reached, what it can do, and what ended jobs have left on it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.runtimes.availability import RuntimeUnavailableError
from mlflow_azureml_backend.emulator.runtimes.uv import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import docker

ROOT_LABEL: Final = "mlflow-azureml.emulator.root"
"""Whose container it is: the emulator's state directory."""

LOCK_LABEL: Final = "mlflow-azureml.emulator.lock"
"""The file that is locked as long as somebody waits for the container."""

_VARIABLES: Final = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Reach a Docker Engine.

    Args:
        variables: where it is, as the variables of Docker's own programs say it.
    """

    variables: Mapping[str, str]

    @classmethod
    def of(cls, process: Mapping[str, str]) -> Engine:
        """Give the engine that a process with these variables is to use."""
        return cls(variables={name: process[name] for name in _VARIABLES if process.get(name)})

    @property
    def address(self) -> str:
        """Say where it is, for people."""
        return without_credentials(
            self.variables.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        )

    @contextmanager
    def connected(self, *, seconds: float | None = _SECONDS) -> Iterator[docker.DockerClient]:
        """Give a client of the engine, for a while.

        Args:
            seconds: how long the engine may take for an answer; None for ever.

        Raises:
            RuntimeUnavailableError: none answers.
        """
        import docker
        from docker.errors import DockerException

        try:
            client = docker.from_env(timeout=seconds, environment=dict(self.variables))
        except DockerException as error:
            raise RuntimeUnavailableError(
                f"The runtime 'docker' finds no Docker Engine at {self.address}: {error} "
                "Start Docker, let DOCKER_HOST say where it is, or choose another runtime."
            ) from None
        # No proxy of a job or of the emulator may come between.
        client.api.trust_env = False
        try:
            yield client
        finally:
            client.close()


def has_init(info: Mapping[str, Any]) -> bool:
    """Tell whether an engine can put an init process into containers.

    Args:
        info: what the engine says of itself.
    """
    return bool(info.get("InitBinary")) and info.get("InitCommit", {}).get("ID") != "N/A"


def owner(info: Mapping[str, Any]) -> str:
    """Give the user, as `uid:gid`, by whom files of this process's user can be read and written.

    Args:
        info: what the engine says of itself.
    """
    rootless = any("name=rootless" in option for option in info.get("SecurityOptions") or ())
    # In the containers of a rootless engine, root is the engine's user.
    return "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"


def remove_leftovers(client: docker.DockerClient, root: Path) -> int:
    """Remove the containers of an emulator's jobs that nobody waits for any more.

    Args:
        client: the engine.
        root: the emulator's state directory.

    Returns:
        How many there were.
    """
    from docker.errors import APIError

    count = 0
    labels = {"label": f"{ROOT_LABEL}={root}"}
    for container in client.containers.list(all=True, filters=labels, ignore_removed=True):
        if _is_held(container.labels.get(LOCK_LABEL, "")):
            continue
        with suppress(APIError):  # somebody else removes it just now
            container.remove(force=True, v=True)
            count += 1
    return count


def _is_held(lock: str) -> bool:
    try:
        with open(lock, "rb") as file:  # noqa: PTH123 (a name without a file is no path)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
