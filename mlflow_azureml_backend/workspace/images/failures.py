"""The one place where an engine's and a registry's words become a message."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.workspace.failures import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


class RegistryRefusedError(ImageError):
    """The registry does not know the user, or not the password."""


_FULL = ("no space left on device", "disk quota exceeded")

# What the engine or the registry says -> what is wrong, and what to do. The first that fits.
_MEANINGS: tuple[tuple[tuple[str, ...], type[ImageError], str, str], ...] = (
    (
        ("x509", "certificate"),
        ImageError,
        "the Docker Engine does not trust the certificate of {registry}",
        (
            "Put the CA's certificate where the engine looks for it, on its machine: "
            "/etc/docker/certs.d/{registry}/ca.crt."
        ),
    ),
    (
        ("server gave http response to https client",),
        ImageError,
        "{registry} speaks no TLS",
        "Azure ML needs a registry that does.",
    ),
    (
        (
            *("no basic auth credentials", "incorrect username or password", "unauthorized"),
            "authentication required",
        ),
        RegistryRefusedError,
        "{registry} does not accept who asks",
        (
            "Sign in with `docker login {registry}` (for an Azure registry: `az login`, or "
            "`az acr login`), or give `docker_auth` to mlflow.projects.run."
        ),
    ),
    (
        ("denied", "forbidden", "insufficient_scope", "insufficient scope"),
        ImageError,
        "{registry} does not let this user do that",
        (
            "Check the name in image.repository, and ask for the right to push to it (in an Azure "
            "registry the role AcrPush)."
        ),
    ),
    (
        (
            *("connection refused", "no such host", "i/o timeout", "network is unreachable"),
            *("no route to host", "name resolution", "client.timeout exceeded"),
        ),
        ImageError,
        "the Docker Engine cannot reach {registry}",
        "Check the name in image.repository, and the engine's network and proxy.",
    ),
)


def registry_error(doing: str, repository: str, words: str) -> ImageError:
    """Say what a registry, or the engine on its way there, had to say.

    Args:
        doing: What was being attempted: "pushing to".
        repository: The registry and the repository.
        words: The engine's words.
    """
    registry = registry_of(repository)
    said = without_secrets(" ".join(words.split())).rstrip(".")
    failed = f"Error while {doing} {repository}:"
    if is_disk_full(words):
        return disk_full(said)
    for phrases, kind, wrong, advice in _MEANINGS:
        if any(phrase in words.lower() for phrase in phrases):
            text = f"{failed} {wrong} ({said}). {advice}"
            return kind(text.replace("{registry}", registry))
    return ImageError(f"{failed} {said}.")


def disk_full(said: str) -> ImageError:
    """Say that the engine, or the registry, has no room."""
    return ImageError(
        f"The disk is full that the Docker Engine, or the registry, writes to ({said}). Make room "
        "with `docker system prune`, then run it again: what was done is not done again."
    )


def is_disk_full(words: str) -> bool:
    """Tell whether an engine complains of a full disk."""
    return any(phrase in words.lower() for phrase in _FULL)


@contextlib.contextmanager
def engine_errors(doing: str, repository: str) -> Iterator[None]:
    """Turn what docker-py raises inside the block into an ImageError.

    Args:
        doing: What is being attempted: "pushing".
        repository: The registry and the repository, or the image.

    Raises:
        ImageError: With the engine's own words and what to do next.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise registry_error(doing, repository, error.explanation or str(error)) from error
    except DockerException as error:
        raise ImageError(f"Error while {doing} {repository}: {error}.") from error
    except RequestException as error:
        raise ImageError(
            f"Error while {doing} {repository}: the Docker Engine went away "
            f"({type(error).__name__}). See whether it runs with `docker info`, then try again."
        ) from error


def registry_of(name: str) -> str:
    """Name the registry of a repository or an image, as Docker reads it."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return "docker.io"
