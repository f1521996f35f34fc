"""Layers that another machine built: the newest image of a repository is where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

    from mlflow_azureml_backend.workspace.images.credentials import Login
    from mlflow_azureml_backend.workspace.images.progress import Progress

CACHE_TAG = "mlflow-azureml"
"""The tag of the newest image of a repository."""

_PULLED_TAG = f"{CACHE_TAG}-pulled"


def cached_in_registry(
    client: docker.DockerClient, repository: str, login: Login
) -> tuple[str, ...]:
    """Give the image from which BuildKit may take layers; it fetches only those it needs.

    Args:
        client: The engine; what it built itself it remembers.
        repository: The registry and the repository.
        login: Who asks.
    """
    if client.images.list(name=repository):
        return ()
    return _newest(client, repository, login)


def pulled_layers(
    client: docker.DockerClient, repository: str, login: Login, progress: Progress
) -> tuple[str, ...]:
    """Give the images on the engine whose layers its own builder has to be told of.

    Where nothing of this repository is on the engine, the newest image that was pushed is pulled.
    From then on the builder has to be told of all: it does not take a pulled image's layers by
    itself, and once it is told of one image it takes only those of images it is told of.

    Args:
        client: The engine.
        repository: The registry and the repository.
        login: Who asks.
        progress: Where it is shown.
    """
    if not client.images.list(name=repository):
        for newest in _newest(client, repository, login):
            progress.line(f"Pulling {newest} for its layers")
            client.images.pull(newest, auth_config=login.auth_config()).tag(repository, _PULLED_TAG)
    tags = tuple(tag for image in client.images.list(name=repository) for tag in image.tags)
    return tags if f"{repository}:{_PULLED_TAG}" in tags else ()


def _newest(client: docker.DockerClient, repository: str, login: Login) -> tuple[str, ...]:
    from docker.errors import APIError

    newest = f"{repository}:{CACHE_TAG}"
    try:
        client.api.inspect_distribution(newest, login.auth_config())
    except APIError:
        return ()  # the repository is new: everything is built
    return (newest,)
