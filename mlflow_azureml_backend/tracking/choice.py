"""Decide where a run lives and where its job logs: pure, from what is known before submission."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EMPTY, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Resolve = Callable[[str], Iterable[str]]


class Mode(str, Enum):
    """Where the run lives, and where the job logs; the values are the config's."""

    WORKSPACE = "workspace"
    SHARED = "shared"
    MIRROR = "mirror"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A mode, and why it is the one."""

    mode: Mode
    reason: str

    @property
    def is_workspace(self) -> bool:
        """Whether the run is the job's own, in the workspace alone."""
        return self.mode is Mode.WORKSPACE

    @property
    def logs_to_server(self) -> bool:
        """Whether the job logs to the user's own store."""
        return self.mode in {Mode.SHARED, Mode.BOTH}

    def line(self) -> str:
        """Give the line by which the user is told."""
        return f"{self.mode.value}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the choice depends on.

    Args:
        tracking_uri: MLflow's tracking URI.
        workspace: Where the job will run.
        needed: Variables by which this machine gets into its store, beyond the URI.
        declared: Variables that the job will have: name -> whether it is a secret.
        has_children: Whether the job is a sweep or a pipeline.
        is_distributed: Whether several processes run the job's command.
        identity: The type of the job's `identity`, or None.
    """

    tracking_uri: str
    workspace: WorkspaceRef
    needed: tuple[str, ...] = ()
    declared: Mapping[str, bool] = field(default_factory=lambda: EMPTY)
    has_children: bool = False
    is_distributed: bool = False
    identity: str | None = None


# Of what lets a client into a server, this is what nobody else may read.
SECRETS = frozenset(
    {
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH",
        "DATABRICKS_TOKEN",
        "DATABRICKS_CLIENT_SECRET",
    }
)
_MEANT = "Backend config: tracking: "
_PRIVATE_NAMES = (".local", ".internal", ".lan", ".home.arpa")
_ITS_OWN_IDENTITIES = ("managed", "managed_identity", "user_identity")


def choose(wanted: str, situation: Situation, *, resolve: Resolve) -> Choice:
    """Choose the mode of a run, or make sure that the wanted one can work.

    Args:
        wanted: The config's `tracking`.
        situation: What the choice depends on.
        resolve: Gives the addresses of a host; none where it cannot be resolved.

    Raises:
        ConfigError: The wanted mode cannot work here.
    """
    if wanted == "auto":
        return _automatic(situation, resolve)
    mode = Mode(wanted)
    own = is_workspace_store(situation.tracking_uri, situation.workspace)
    if own and mode is not Mode.WORKSPACE:
        raise ConfigError(
            f"{_MEANT}'{wanted}' says nothing here: MLflow's tracking URI is the workspace's own, "
            "and the run is the job's. Leave it out, or set another tracking URI."
        )
    if mode in {Mode.SHARED, Mode.BOTH}:
        _check_shared(mode, situation)
    return Choice(mode=mode, reason="as the backend config says")


def is_workspace_store(tracking_uri: str, workspace: WorkspaceRef) -> bool:
    """Tell whether the tracking URI is that of the workspace itself."""
    if not tracking_uri.startswith("azureml:"):
        return False
    named = WorkspaceRef.find_in(tracking_uri)
    return named is not None and named.arm_id.lower() == workspace.arm_id.lower()


def without_credentials(uri: str) -> str:
    """Take the user name and the password out of a URI."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def uri_for_job(tracking_uri: str) -> str:
    """Give the tracking URI as a job uses it: no credentials, no profile of this machine."""
    if _is_databricks(tracking_uri):
        return "databricks"
    return without_credentials(tracking_uri).rstrip("/")


def _automatic(situation: Situation, resolve: Resolve) -> Choice:
    uri, shown = situation.tracking_uri, store_name(situation.tracking_uri)
    if is_workspace_store(uri, situation.workspace):
        return Choice(mode=Mode.WORKSPACE, reason="MLflow's store is the workspace's own")
    if (why := _out_of_reach(uri, resolve)) is not None:
        return Choice(mode=Mode.MIRROR, reason=f"no job reaches {shown}, {why}")
    if situation.has_children:
        return Choice(
            mode=Mode.MIRROR,
            reason="the trials of a sweep and the steps of a pipeline log to the workspace",
        )
    if uri.startswith("azureml:") and situation.identity not in _ITS_OWN_IDENTITIES:
        return Choice(
            mode=Mode.MIRROR,
            reason="the job has no `identity` by which it gets into another workspace",
        )
    if lacking := _lacking(situation):
        return Choice(
            mode=Mode.MIRROR,
            reason=f"{shown} wants {', '.join(lacking)}, which `environment_variables` does not "
            "give the job; with that it would log there itself",
        )
    return Choice(mode=Mode.SHARED, reason=f"the job logs to {shown} itself")


def store_name(uri: str) -> str:
    """Name a store for the user's eyes: without credentials."""
    return without_credentials(uri)


def _check_shared(mode: Mode, situation: Situation) -> None:
    uri, shown = situation.tracking_uri, store_name(situation.tracking_uri)
    wanted = f"{_MEANT}'{mode.value}' cannot work"
    instead = "Leave `tracking` out, or say 'mirror': then the run is mirrored there."
    scheme = urlsplit(uri).scheme.lower()
    if not (_is_databricks(uri) or scheme in {"http", "https", "azureml"}):
        raise ConfigError(
            f"{wanted} with the store {shown}: {_of_this_machine(scheme)}, so that no job can log "
            f"to it. {instead}"
        )
    if situation.has_children:
        raise ConfigError(
            f"{wanted} with a sweep or with steps, which log to the workspace, each to its own "
            f"run. {instead}"
        )
    if _is_loopback(urlsplit(uri).hostname or "") and not situation.workspace.is_emulated:
        raise ConfigError(f"{wanted} with {shown}, which only this machine reaches. {instead}")
    if mode is Mode.BOTH and (scheme == "azureml" or situation.is_distributed):
        what = "another workspace" if scheme == "azureml" else "a distributed job"
        raise ConfigError(f"{wanted} with {what}; say 'shared' or 'mirror'.")
    if lacking := _lacking(situation):
        example = {name: _example(name) for name in lacking}
        raise ConfigError(
            f"{wanted}: this machine gets into {shown} by {', '.join(lacking)}, which the job "
            "does not have. Declare what it shall have: "
            f'"environment_variables": {json.dumps(example)}'
        )
    for name, is_secret in situation.declared.items():
        # A path may lead to a file that the job has anyway.
        if name in SECRETS and not is_secret and not name.endswith("_PATH"):
            raise ConfigError(
                f"{wanted}: everybody who can read the job would read environment_variables.{name}."
                f" Write {json.dumps({name: _example(name)})}"
            )


def _lacking(situation: Situation) -> list[str]:
    return [name for name in situation.needed if name not in situation.declared]


def _example(name: str) -> object:
    if name.endswith("_CERT_PATH"):
        return "keyvault:NAME-OF-THE-PEM" if name in SECRETS else "a path in the project"
    value = f"${{env:{name}}}"
    return {"value": value, "secret": True} if name in SECRETS else value


def _is_databricks(uri: str) -> bool:
    return uri == "databricks" or uri.startswith("databricks://")


def _out_of_reach(uri: str, resolve: Resolve) -> str | None:
    """Say why no job can reach a store; None when it can, as far as can be told from here."""
    parts = urlsplit(uri)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if _is_databricks(uri) or scheme == "azureml":
        return None
    if scheme not in {"http", "https"}:
        return _of_this_machine(scheme)
    if _is_loopback(host):
        return "which is this machine"
    private = _is_private(host)
    if private is None and ("." not in host or host.endswith(_PRIVATE_NAMES)):
        return "whose name is one of a private network"
    if private is None:
        private = any(_is_private(address) for address in resolve(host))
    return "which has a private address" if private else None


def _of_this_machine(scheme: str) -> str:
    if scheme in {"postgresql", "mysql", "mssql", "oracle"} or "+" in scheme:
        return "which is a database behind this machine"
    return "which is a file of this machine" if scheme == "sqlite" else "which is of this machine"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool | None:
    """Tell whether an address is one that the internet does not lead to; None for a name."""
    try:
        return not ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return None
