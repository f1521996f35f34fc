"""From an environment that is made on this machine to one that the job can have."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.workspace.images.build import builder_for
from mlflow_azureml_backend.workspace.images.credentials import log_in
from mlflow_azureml_backend.workspace.images.engine import (
    PLATFORM,
    NoEngineError,
    connected,
    platform_of,
)
from mlflow_azureml_backend.workspace.images.engine_place import may_listen
from mlflow_azureml_backend.workspace.images.progress import shown_progress
from mlflow_azureml_backend.workspace.images.registry import (
    is_only_here,
    push_image,
    tag_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    import docker

    from mlflow_azureml_backend.job import BuildSpec, EnvironmentSpec, LocalImageSpec
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.images.build import Builder
    from mlflow_azureml_backend.workspace.images.progress import Progress

# A registry that only Microsoft pushes to.
_NOBODYS = "mcr.microsoft.com/"


def prepare_image(
    connection: Connection,
    environment: EnvironmentSpec,
    *,
    docker_auth: Mapping[str, Any] | None,
    shown: bool,
) -> EnvironmentSpec:
    """Do on this machine's engine what an environment asks of it.

    The layer with the plugin is built here as well: the job then runs the very image that was
    pushed, and Azure ML has nothing to build before it starts.

    Args:
        connection: The workspace.
        environment: The environment, with `local`.
        docker_auth: MLflow's `docker_auth`.
        shown: Show on stderr what is done.

    Returns:
        The environment whose image is in a registry, by its digest; or, for an image that is in
        one already, the environment as it was.

    Raises:
        ImageError: There is no engine, or it cannot build or push the image.
    """
    local = environment.local
    if local is None:
        return environment
    if local.name is None and environment.build is not None:
        with connected() as client, shown_progress(shown=shown) as progress:
            making = _Making(client, connection, local, progress, docker_auth)
            image: str | None = making.built(environment.build)
    else:
        image = None
        if local.name and _concerns_engine(connection, local):
            with suppress(NoEngineError):  # then it is for a registry
                image = _brought(connection, local, docker_auth=docker_auth, shown=shown)
    if image is None:
        return replace(environment, local=None)
    return replace(environment, local=None, image=image, build=None)


def _concerns_engine(connection: Connection, local: LocalImageSpec) -> bool:
    """Tell whether an image that is named may be one of an engine, and whether that matters."""
    name = str(local.name)
    if "@" in name or name.startswith(_NOBODYS):
        return False  # it comes from its registry
    if local.repository is None and connection.ref.is_emulated:
        return False  # the emulator's containers run on the same engine
    return may_listen(os.environ)


def _brought(
    connection: Connection,
    local: LocalImageSpec,
    *,
    docker_auth: Mapping[str, Any] | None,
    shown: bool,
) -> str | None:
    """Push an image that only the engine has; None for one that a registry has."""
    name = str(local.name)
    if local.repository is None:
        connection.once(("image", name), lambda: _check_pushed(connection, name))
        return None
    with connected() as client, shown_progress(shown=shown) as progress:
        if not _is_local(client, name):
            return None
        return _Making(client, connection, local, progress, docker_auth).pushed(name)


def _check_pushed(connection: Connection, name: str) -> None:
    with connected() as client:
        if not _is_local(client, name):
            return
    raise ImageError(
        f"The image '{name}' is only on this machine, where the job cannot get it. Name a "
        "registry that the workspace can read in the backend config, "
        f'"image": {{"repository": "{_example(connection)}"}}: the image is pushed there. Or push '
        "it yourself, and name it by its registry."
    )


class _Making:
    """Make one image and bring it into its repository."""

    def __init__(
        self,
        client: docker.DockerClient,
        connection: Connection,
        local: LocalImageSpec,
        progress: Progress,
        docker_auth: Mapping[str, Any] | None,
    ) -> None:
        self._client = client
        self._local = local
        self._progress = progress
        self._repository = str(local.repository)
        self._any_platform = connection.ref.is_emulated
        self._login = log_in(
            client, self._repository, docker_auth=docker_auth, connection=connection
        )

    def built(self, context: BuildSpec) -> str:
        """Build a context, and bring the image into the registry."""
        with self._builder() as builder:
            image_id = builder.build(context)
            name = f"{self._repository}:{tag_of(image_id)}"
            self._client.images.get(image_id).tag(name)
            if self._local.layer is not None:
                image_id = builder.build(self._local.layer, {"IMAGE": name})
        return self._pushed(image_id)

    def pushed(self, name: str) -> str:
        """Bring an image of the engine into the registry."""
        image = self._client.images.get(name)
        platform = platform_of(image.attrs)
        if platform != PLATFORM and not self._any_platform:
            raise ImageError(
                f"The image '{name}' is for {platform}; Azure ML runs {PLATFORM}. Build it with "
                f"`docker build --platform {PLATFORM}`."
            )
        if self._local.layer is None:
            return self._pushed(str(image.id))
        with self._builder() as builder:
            return self._pushed(builder.build(self._local.layer, {"IMAGE": name}))

    def _builder(self) -> AbstractContextManager[Builder]:
        return builder_for(
            self._client,
            self._repository,
            self._login,
            self._progress,
            any_platform=self._any_platform,
        )

    def _pushed(self, image_id: str) -> str:
        return push_image(
            self._client,
            image_id,
            self._repository,
            self._login,
            self._progress,
            allowed=self._local.push,
        )


def _is_local(client: docker.DockerClient, name: str) -> bool:
    from docker.errors import APIError

    try:
        return is_only_here(client, name, client.images.get(name))
    except APIError:
        return False  # not on this engine: then a registry has it


def _example(connection: Connection) -> str:
    """Name a repository that would do: in the workspace's own registry, if it has one."""
    arm_id = connection.workspace_facts.get("properties", {}).get("containerRegistry") or ""
    name = arm_id.rpartition("/")[2].lower() or "myregistry"
    return f"{name}.azurecr.io/team/project"
