"""The Docker Engine of this machine: how it is reached, and what it is."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

PLATFORM = "linux/amd64"
"""What Azure ML's computes run."""

_SECONDS_TO_ANSWER = 10
_CONTAINERD = "io.containerd.snapshotter"


class NoEngineError(ImageError):
    """No Docker Engine answers, or there is no client for it."""


@contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """Give a client of the engine that Docker's own programs would use.

    `DOCKER_HOST` and its companions say where it is, or else the current Docker context.

    Raises:
        NoEngineError: There is none, or this user may not use it.
    """
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise NoEngineError(
            "An image can be built or pushed only with the package docker. Install it with "
            "`pip install 'mlflow-azureml-backend[docker]'`."
        ) from error
    try:
        client = docker.from_env(timeout=_SECONDS_TO_ANSWER, use_ssh_client=True)
    except DockerException as error:
        raise NoEngineError(_explained(error)) from error
    # A build or a push may be silent for long; who waits for it can press Ctrl-C.
    client.api.timeout = None
    try:
        yield client
    finally:
        client.close()


def build_network(client: docker.DockerClient) -> str | None:
    """Name the network of build steps: the host's where the engine has no other one."""
    return None if client.networks.list(names=["bridge"]) else "host"


def foreign_platform(client: docker.DockerClient) -> str | None:
    """Name the platform to build for where the engine's own is another one."""
    info = client.version()
    own = f"{info.get('Os')}/{info.get('Arch')}"
    return None if own == PLATFORM else PLATFORM


def keeps_digests_of_all(client: docker.DockerClient) -> bool:
    """Tell whether the engine names a digest also for images that are in no registry."""
    status = client.info().get("DriverStatus") or ()
    return any(str(value).startswith(_CONTAINERD) for _, value in status)


def platform_of(image: Mapping[str, Any]) -> str:
    """Name the platform of an image, from what the engine says of it."""
    return f"{image.get('Os')}/{image.get('Architecture')}"


def _explained(error: Exception) -> str:
    where = os.environ.get("DOCKER_HOST") or "its usual place"
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return (
            f"This user may not use the Docker Engine at {where}. Join the group that owns its "
            "socket (`sudo usermod -aG docker $USER`, then sign in again), or use a rootless one."
        )
    return (
        f"No Docker Engine answers at {where}: {text}. Start Docker, or set DOCKER_HOST. Without "
        "one, leave `image.build` out and use --build-image: Azure ML then builds the image."
    )
