"""Build images on this machine's engine: with BuildKit where there is one, or as ever."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.workspace.build_context import context_folder
from mlflow_azureml_backend.workspace.images.build_output import BuildOutput
from mlflow_azureml_backend.workspace.images.buildkit import (
    BuildKit,
    BuildKitFailedError,
    find_buildkit,
)
from mlflow_azureml_backend.workspace.images.engine import build_network, foreign_platform
from mlflow_azureml_backend.workspace.images.failures import (
    disk_full,
    engine_errors,
    is_disk_full,
)
from mlflow_azureml_backend.workspace.images.layer_cache import cached_in_registry, pulled_layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import docker

    from mlflow_azureml_backend.job import BuildSpec
    from mlflow_azureml_backend.workspace.images.credentials import Login
    from mlflow_azureml_backend.workspace.images.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Build images; what the engine's cache has is not built again.

    Args:
        client: The engine.
        progress: Where the builder's lines are shown.
        buildkit: BuildKit, or None for the engine's own builder.
        cache_from: Further images whose layers may be used.
        options: `network` and `platform` of the build, where they are not the engine's own.
    """

    client: docker.DockerClient
    progress: Progress
    buildkit: BuildKit | None = None
    cache_from: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def build(self, context: BuildSpec, arguments: Mapping[str, str] = EMPTY) -> str:
        """Build an image.

        The engine is asked even for a context that it knows: a base image that was replaced
        meanwhile counts, as it does for `docker build`.

        Args:
            context: The build context.
            arguments: Name -> value of the Dockerfile's arguments.

        Returns:
            The image's id.

        Raises:
            ImageError: A step failed, which is named with its last lines, or the engine did.
        """
        output = BuildOutput(self.progress)
        with (
            engine_errors("building", "the image"),
            context_folder(context) as (folder, dockerfile),
        ):
            if self.buildkit is None:
                return self._classic(folder, dockerfile, arguments, output)
            try:
                return self.buildkit.build(
                    folder,
                    dockerfile,
                    arguments=arguments,
                    options=self.options,
                    cache_from=self.cache_from,
                    output=output,
                )
            except BuildKitFailedError as error:
                raise _failed(output, str(error)) from error

    def _classic(
        self, folder: Path, dockerfile: str, arguments: Mapping[str, str], output: BuildOutput
    ) -> str:
        from docker.errors import APIError

        stream = self.client.api.build(
            path=str(folder),
            dockerfile=dockerfile,
            buildargs=dict(arguments),
            cache_from=list(self.cache_from),
            network_mode=self.options.get("network"),
            platform=self.options.get("platform"),
            rm=True,
            forcerm=True,
            decode=True,
        )
        image = ""
        try:
            # Closing the stream is what ends a build on the engine when Ctrl-C is pressed here.
            with closing(stream):
                for event in stream:
                    if "error" in event:
                        raise _failed(output, str(event["error"]))
                    image = (event.get("aux") or {}).get("ID") or image
                    output.classic(event.get("stream") or "")
        except APIError as error:
            raise _failed(output, error.explanation or str(error)) from error
        return image


@contextmanager
def builder_for(
    client: docker.DockerClient,
    repository: str,
    login: Login,
    progress: Progress,
    *,
    any_platform: bool,
) -> Iterator[Builder]:
    """Choose the builder of an image for a repository, and whose layers it may use.

    Args:
        client: The engine.
        repository: The registry and the repository.
        login: Who asks the registry.
        progress: Where it is shown.
        any_platform: Build for the engine's own platform, even if Azure ML has another one.
    """
    with engine_errors("preparing to build for", repository):
        wanted = {
            "network": build_network(client),
            "platform": None if any_platform else foreign_platform(client),
        }
        options = {name: value for name, value in wanted.items() if value is not None}
        program = find_buildkit()
        if program:
            cache = cached_in_registry(client, repository, login)
        else:
            cache = pulled_layers(client, repository, login, progress)
    builder = Builder(client=client, progress=progress, cache_from=cache, options=options)
    if not program:
        yield builder
        return
    with login.as_variables() as variables:
        yield Builder(
            client=client,
            progress=progress,
            buildkit=BuildKit(program=program, variables=variables),
            cache_from=cache,
            options=options,
        )


def _failed(output: BuildOutput, words: str) -> ImageError:
    return disk_full(words) if is_disk_full(words) else ImageError(output.failure(words))
