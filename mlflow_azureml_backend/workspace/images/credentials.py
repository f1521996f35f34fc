"""By whom a registry is asked: `docker_auth`, Docker's credential store, or azure-identity."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ImageError, WorkspaceError
from mlflow_azureml_backend.workspace.images.failures import (
    RegistryRefusedError,
    engine_errors,
    registry_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

    from mlflow_azureml_backend.workspace.connection import Connection

_HUB = "docker.io"
# Azure's registries, of its public cloud, of China's and of the US government's. A user's token
# is sent nowhere else.
_AZURE_REGISTRIES = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
_AZURE_SCOPE = "https://containerregistry.azure.net/.default"
_HUB_ADDRESS = "https://index.docker.io/v1/"
_CONFIG = "config.json"
_LOGIN = ("username", "password", "email")
_AZURE_USER = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Hold who asks a registry.

    Args:
        registry: The registry's host.
        arguments: docker-py's `auth_config`, or None for what its credential store has.
    """

    registry: str
    arguments: Mapping[str, str] | None = field(default=None, repr=False)

    def auth_config(self) -> dict[str, str] | None:
        """Give what docker-py takes."""
        return None if self.arguments is None else dict(self.arguments)

    @contextmanager
    def as_variables(self) -> Iterator[dict[str, str]]:
        """Give the variables by which the docker program asks as this login.

        It takes a login from its configuration alone: a copy that is the user's in all else, which
        nobody else can read, and which is gone with the block.
        """
        if self.arguments is None:
            yield {}
            return
        own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-docker-") as folder:
            for entry in own.iterdir() if own.is_dir() else ():
                if entry.name != _CONFIG:  # its plugins, contexts and certificates
                    with suppress(OSError):  # Windows lets few users make links
                        (Path(folder) / entry.name).symlink_to(entry)
            config = _read(own / _CONFIG)
            pair = f"{self.arguments['username']}:{self.arguments.get('password', '')}"
            address = _HUB_ADDRESS if self.registry == _HUB else self.registry
            # A credential store would be asked first.
            config.setdefault("credHelpers", {})[address] = ""
            config["auths"] = {
                **config.get("auths", {}),
                address: {"auth": base64.b64encode(pair.encode()).decode()},
            }
            (Path(folder) / _CONFIG).write_text(json.dumps(config), encoding="utf-8")
            yield {"DOCKER_CONFIG": folder}


def log_in(
    client: docker.DockerClient,
    repository: str,
    *,
    docker_auth: Mapping[str, Any] | None,
    connection: Connection,
) -> Login:
    """Find who may ask the registry, and see that it lets them in, before anything is built.

    Args:
        client: The engine, which asks the registry for us, with its own trust in certificates.
        repository: The registry and the repository.
        docker_auth: MLflow's `docker_auth`; without `registry` it is for this one.
        connection: The workspace, whose credential opens an Azure registry.

    Raises:
        ImageError: Nobody is known, or the registry refuses them or cannot be reached.
    """
    registry = registry_of(repository)
    if docker_auth is not None:
        login = _given(client, repository, docker_auth)
        if login is not None:
            return login
    # The emulator's own identity opens nothing in Azure.
    azure = registry.endswith(_AZURE_REGISTRIES) and not connection.ref.is_emulated
    # One that lets everybody read would be content with nobody, until something is pushed.
    if not azure or _is_stored(registry):
        try:
            _check(client, repository, Login(registry=registry))
        except RegistryRefusedError:
            # Those of `az acr login` end after three hours.
            if not azure:
                raise
        else:
            return Login(registry=registry)
    login = azure_login(connection, registry)
    _sign_in(client, registry, login.auth_config() or {}, repository)
    return login


def azure_login(connection: Connection, registry: str) -> Login:
    """Change the user's Microsoft Entra token for one of an Azure registry.

    Args:
        connection: The workspace.
        registry: The registry's host.

    Raises:
        ImageError: The registry, or Microsoft Entra, refuses the user.
    """
    try:
        token = connection.token(_AZURE_SCOPE)
        answer = connection.exchange(
            f"https://{registry}/oauth2/exchange",
            {"grant_type": "access_token", "service": registry, "access_token": token},
            doing=f"signing in to {registry}",
        )
        secret = str(answer["refresh_token"])
    except (WorkspaceError, KeyError) as error:
        raise ImageError(
            f"Nobody is signed in to {registry}: docker_auth and the Docker credential store have "
            f"no login that it accepts, and azure-identity gave none either. {error} Or sign in "
            f"with `az acr login --name {registry.partition('.')[0]}`."
        ) from error
    return Login(registry=registry, arguments={"username": _AZURE_USER, "password": secret})


def _given(
    client: docker.DockerClient, repository: str, docker_auth: Mapping[str, Any]
) -> Login | None:
    """Read `docker_auth`; one for another registry is for the images that a build starts from."""
    from docker.auth import load_config, resolve_index_name

    arguments = {key: value for key, value in docker_auth.items() if key != "registry"}
    registry = registry_of(repository)
    named = docker_auth.get("registry") or registry
    for_another = resolve_index_name(named) != resolve_index_name(registry)
    if docker_auth.get("dockercfg_path") and docker_auth.get("password") is None:
        arguments |= load_config(docker_auth["dockercfg_path"]).resolve_authconfig(named) or {}
        arguments = {key.lower(): value for key, value in arguments.items()}
    given = {key: str(arguments[key]) for key in _LOGIN if arguments.get(key) is not None}
    _sign_in(client, named, given, f"images of {named}" if for_another else repository)
    return None if for_another else Login(registry=registry, arguments=given)


def _is_stored(registry: str) -> bool:
    from docker.auth import load_config

    with engine_errors("looking for the login of", registry):
        return load_config().resolve_authconfig(registry) is not None


def _sign_in(
    client: docker.DockerClient, registry: str, given: Mapping[str, str], what: str
) -> None:
    """Let the registry see the login, and the engine use it for the images that a build wants."""
    with engine_errors("signing in for", what):
        client.login(**given, registry=None if registry == _HUB else registry, reauth=True)


def _check(client: docker.DockerClient, repository: str, login: Login) -> None:
    """Ask the registry for something harmless.

    Docker Hub refuses to speak of a repository that is not there yet, also to who may create it.
    """
    from docker.errors import NotFound

    with engine_errors("signing in for", repository):
        try:
            client.api.inspect_distribution(f"{repository}:latest", auth_config=login.auth_config())
        except NotFound:
            return
        except Exception:
            if registry_of(repository) == _HUB:
                return
            raise


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}  # as docker does, which then has no settings
