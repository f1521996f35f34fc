"""Images for environments: pulled, built from a context, or extended by a conda file."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError
from mlflow_azureml_backend.emulator.runtimes.conda_layer import write_conda_layer
from mlflow_azureml_backend.emulator.runtimes.kept_environments import (
    KeptEnvironments,
    content_hash,
)
from mlflow_azureml_backend.emulator.runtimes.uv import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    import docker

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec

REPOSITORY: Final = "mlflow-azureml-emulator"
"""The repository of the images that are built; the tag is the hash of what they are made of."""

_FORMAT: Final = "docker 1"
# Docker passes these on to builds and keeps them out of the image and its history.
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


class Images:
    """Have images ready on an engine, each made once, whoever asks for it."""

    def __init__(self) -> None:
        self._environments = KeptEnvironments()
        self._closed = threading.Event()

    def close(self) -> None:
        """End the builds that are under way, at their next line."""
        self._closed.set()

    def image_of(
        self, client: docker.DockerClient, environment: EnvironmentSpec, log: TextIO
    ) -> str:
        """Give the id of an environment's image; blocks until it is there.

        Args:
            client: the engine.
            environment: what is asked for.
            log: where the build tells what it does.

        Raises:
            BuildError: it cannot be had.
        """
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-context-") as scratch:
            if environment.build is not None:
                base = self._from_context(client, environment, Path(scratch, "context"), log)
            elif environment.image:
                base = self._pulled(client, environment.image, log)
            else:
                raise _refusal(log, "The environment has neither an image nor a build context.")
            if not environment.conda_file:
                return base
            layer = Path(scratch, "layer")
            name = write_conda_layer(layer, base, environment.conda_file)
            log.write(f"The conda file becomes the environment {name} of that image.\n")
            return self._built(client, layer, "Dockerfile", log)

    def _pulled(self, client: docker.DockerClient, image: str, log: TextIO) -> str:
        from docker.errors import DockerException

        def pull() -> dict[str, Any]:
            log.write(f"Pulling {image}\n")
            try:
                self._follow(client.api.pull(image, stream=True, decode=True), log)
            except (DockerException, BuildError) as error:
                raise _refusal(
                    log,
                    f"The image '{image}' is not on the Docker Engine and cannot be pulled: "
                    f"{error}",
                ) from None
            return {"image": client.images.get(image).id}

        log.write(f"Image {image}\n")
        found = self._environments.obtain(
            image, log, find=lambda: _found(client, image), build=pull
        )
        return str(found["image"])

    def _from_context(
        self, client: docker.DockerClient, environment: EnvironmentSpec, folder: Path, log: TextIO
    ) -> str:
        build = environment.build or {}
        if environment.bring_context is None:
            raise _refusal(log, "The environment's build context cannot be read here.")
        try:
            environment.bring_context(folder)
        except BuildError as error:
            raise _refusal(log, error.explanation) from None
        dockerfile = build.get("dockerfilePath") or "Dockerfile"
        if not (folder / dockerfile).is_file():
            found = ", ".join(sorted(entry.name for entry in folder.iterdir()))
            raise _refusal(
                log,
                f"The build context has no file '{dockerfile}'; it has: {found}. Set "
                "build.dockerfile_path to the Dockerfile's path in the context.",
            )
        return self._built(client, folder, dockerfile, log)

    def _built(
        self, client: docker.DockerClient, folder: Path, dockerfile: str, log: TextIO
    ) -> str:
        key = content_hash(_FORMAT, dockerfile, folder_digest(folder))
        tag = f"{REPOSITORY}:{key}"

        def build() -> dict[str, Any]:
            proxies = {
                name: os.environ[name]
                for proxy in _PROXIES
                for name in (proxy, proxy.lower())
                if os.environ.get(name)
            }
            progress = client.api.build(
                path=str(folder),
                dockerfile=dockerfile,
                tag=tag,
                network_mode="host",
                buildargs=proxies,
                rm=True,
                forcerm=True,
                decode=True,
            )
            self._follow(progress, log)
            return {"image": client.images.get(tag).id}

        log.write(f"Image {tag}\n")
        found = self._environments.obtain(key, log, find=lambda: _found(client, tag), build=build)
        return str(found["image"])

    def _follow(self, progress: Iterable[dict[str, Any]], log: TextIO) -> None:
        said = []
        for event in progress:
            if self._closed.is_set():
                raise BuildError("The emulator is stopping.")
            if event.get("progressDetail"):
                continue
            line = event.get("stream") or event.get("error") or event.get("status") or ""
            if not line.strip():
                continue
            said.append(without_credentials(line if line.endswith("\n") else f"{line}\n"))
            log.write(said[-1])
            log.flush()
            if "error" in event:
                raise BuildError("".join(said))


@contextmanager
def explained(log: TextIO) -> Iterator[None]:
    """Make what goes wrong on an engine a BuildError, and tell it in a build's log.

    Args:
        log: the build's log.

    Raises:
        BuildError: the engine refused something, or went away.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise _refusal(log, without_credentials(f"The Docker Engine: {error}")) from None


def _found(client: docker.DockerClient, image: str) -> dict[str, Any] | None:
    from docker.errors import ImageNotFound

    try:
        return {"image": client.images.get(image).id}
    except ImageNotFound:
        return None


def _refusal(log: TextIO, explanation: str) -> BuildError:
    log.write(f"{explanation}\n")
    return BuildError(explanation)


def folder_digest(folder: Path) -> str:
    """Say in one line what is in a folder, file modes included: they get into images."""
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            executable = os.access(file, os.X_OK)
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            whole.update(f"{file.relative_to(folder)}\0{executable}\0{content}\n".encode())
    return whole.hexdigest()
