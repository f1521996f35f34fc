"""Which content a registry has, and how an image of the engine gets there."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.workspace.images.engine import keeps_digests_of_all
from mlflow_azureml_backend.workspace.images.failures import engine_errors, registry_error
from mlflow_azureml_backend.workspace.images.layer_cache import CACHE_TAG

if TYPE_CHECKING:
    import docker

    from mlflow_azureml_backend.workspace.images.credentials import Login
    from mlflow_azureml_backend.workspace.images.progress import Progress

_TAG_LENGTH = 16


def is_only_here(client: docker.DockerClient, name: str, image: Any) -> bool:
    """Tell whether an image of the engine was never in the registry that its name says.

    An engine notes the digest under which it pulled or pushed an image. One that keeps its images
    in containerd notes one for all, so there the registry is asked.

    Args:
        client: The engine.
        name: The image's name.
        image: docker-py's image.
    """
    from docker.errors import APIError, NotFound

    if not _digest_in(image, repository_of(name)):
        return True
    if not keeps_digests_of_all(client):
        return False
    try:
        client.api.inspect_distribution(name)
    except NotFound:
        return True
    except APIError as error:
        words = str(error.explanation).lower()
        return "denied" in words or "unauthorized" in words
    return False


def push_image(
    client: docker.DockerClient,
    image_id: str,
    repository: str,
    login: Login,
    progress: Progress,
    *,
    allowed: bool = True,
) -> str:
    """Make sure that a registry has an image.

    Args:
        client: The engine.
        image_id: The image's id.
        repository: The registry and the repository.
        login: Who asks.
        progress: Where it is shown.
        allowed: False: it has to be there.

    Returns:
        The image's name by its digest in that repository.

    Raises:
        ImageError: It is not there and may not be pushed, or the push failed.
    """
    with engine_errors("pushing to", repository):
        image = client.images.get(image_id)
        digest = _digest_in(image, repository)
        if digest and _has(client, f"{repository}@{digest}", login):
            progress.line(f"{repository}@{digest} is in the registry already")
            return f"{repository}@{digest}"
        if not allowed:
            raise ImageError(
                f"{repository} does not have the image {tag_of(image_id)}, and `image.push` is "
                "false. Set it to true, or push the image where that is allowed."
            )
        digest = _push(client, image, repository, tag_of(image_id), login, progress)
        # One tag a content keeps registries from sweeping it up; this one is for other machines.
        _push(client, image, repository, CACHE_TAG, login, progress)
        return f"{repository}@{digest}"


def repository_of(name: str) -> str:
    """Give an image's name without tag and digest."""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def tag_of(image_id: str) -> str:
    """Name an image by its content."""
    return image_id.removeprefix("sha256:")[:_TAG_LENGTH]


def _push(
    client: docker.DockerClient,
    image: Any,
    repository: str,
    tag: str,
    login: Login,
    progress: Progress,
) -> str:
    image.tag(repository, tag)
    progress.line(f"Pushing {repository}:{tag}")
    stream = client.api.push(
        repository, tag=tag, stream=True, decode=True, auth_config=login.auth_config()
    )
    digest = ""
    with closing(stream):
        for event in stream:
            if "error" in event:
                raise registry_error("pushing to", repository, str(event["error"]))
            digest = (event.get("aux") or {}).get("Digest") or digest
            if "id" in event:
                detail = event.get("progressDetail") or {}
                progress.layer(
                    event["id"], event["status"], detail.get("current"), detail.get("total")
                )
    return digest


def _has(client: docker.DockerClient, reference: str, login: Login) -> bool:
    from docker.errors import NotFound

    try:
        client.api.inspect_distribution(reference, auth_config=login.auth_config())
    except NotFound:
        return False
    return True


def _digest_in(image: Any, repository: str) -> str | None:
    """Give the digest that the engine knows an image by in a repository, or None."""
    for reference in image.attrs.get("RepoDigests") or ():
        name, _, digest = reference.partition("@")
        if _full(name) == _full(repository):
            return str(digest)
    return None


def _full(repository: str) -> str:
    """Write a repository out as Docker reads it: `python` is `docker.io/library/python`."""
    from docker.auth import resolve_repository_name

    registry, path = resolve_repository_name(repository)
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return f"{registry}/{path}"
