"""Places in storage: what a URI of a job names there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.job_outputs import output_uri
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.routes.data import DATA, MODELS
from mlflow_azureml_backend.emulator.run_artifacts import ARTIFACT_CONTAINER, run_folder

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.assets import AssetKind
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_DATASTORE: Final = re.compile(
    r"azureml://(?:(?P<workspace>subscriptions/.+?)/)?datastores/(?P<store>[^/]+)"
    r"(?:/paths)?/(?P<path>.*)",
    re.IGNORECASE | re.DOTALL,
)
_WORKSPACE: Final = re.compile(
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_ASSET: Final = re.compile(
    r"(?:azureml:)?(?P<workspace>/subscriptions/.+/workspaces/[^/]+)"
    r"/(?P<segment>data|models)/(?P<name>[^/]+)"
    r"(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))",
    re.IGNORECASE,
)
_LOCATED: Final = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)"
    r"/(?P<segment>data|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)",
    re.IGNORECASE,
)
_SHORT: Final = re.compile(
    r"azureml:(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@(?P<label>[^/:@]+))"
)
_JOB: Final = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?(?:/(?P<path>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_RUN: Final = re.compile(r"runs:/{1,3}(?P<run>[^/]+)/(?P<path>.*)", re.DOTALL)
_WASBS: Final = re.compile(r"wasbs://(?P<container>[^@/]+)@(?P<host>[^/]+)/(?P<path>.*)", re.DOTALL)
_REGISTRY: Final = re.compile(r"azureml://registries/.*", re.IGNORECASE | re.DOTALL)
_KINDS: Final = {"data": (DATA, "dataUri"), "models": (MODELS, "modelUri")}
_BLOB_HOST: Final = re.compile(r"(?P<account>[^.]+)\.blob\.core\.windows\.net", re.IGNORECASE)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_KNOWN: Final = (
    "it supports datastore paths (azureml://datastores/NAME/paths/PATH), data and model assets, "
    "outputs of jobs (azureml://jobs/NAME/outputs/OUTPUT), runs:/ and https URLs"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Name a blob, or the folder of all blobs below a path.

    Args:
        account: the storage account.
        container: the container.
        path: the path, without slashes around it; empty for the whole container.
    """

    account: str
    container: str
    path: str

    @property
    def name(self) -> str:
        """Give the last part of the path."""
        return PurePosixPath(self.path).name

    def below(self, path: str) -> Place:
        """Name what lies at a path below this one."""
        path = "/".join(part.strip("/") for part in (self.path, path) if part.strip("/"))
        return Place(account=self.account, container=self.container, path=path)


def run_place(workspace: WorkspaceKey, run: str) -> Place:
    """Name the folder of a run: its logs and artifacts.

    Args:
        workspace: the workspace.
        run: the run, which is a job's name.
    """
    folder = run_folder(run)
    return Place(
        account=workspace.storage_account,
        container=ARTIFACT_CONTAINER,
        path=f"{folder.origin}/{folder.container}",
    )


def locate(state: State, workspace: WorkspaceKey, uri: str, kind: str = "") -> Place | None:
    """Find out what a URI names: a datastore path, an asset, a job's output, or a blob's own URL.

    Args:
        state: the documents of the workspace.
        workspace: the workspace.
        uri: the URI.
        kind: what it is said to be, for example `uri_file`; a name without a type, such as
            `azureml:NAME:VERSION`, is a model's when this is a kind of model.

    Returns:
        None for a URL of storage that is not the emulator's.

    Raises:
        JobFailure: it names nothing there is, or is of a kind the emulator does not know.
    """
    if _REGISTRY.fullmatch(uri):
        raise JobFailure(f"'{uri}' is in a registry; the emulator has none. {_KNOWN}.")
    if found := _JOB.fullmatch(uri):
        return _in_job(state, workspace, uri, found)
    if found := _RUN.fullmatch(uri):
        return run_place(workspace, found["run"]).below(found["path"])
    if found := _DATASTORE.fullmatch(uri):
        return _in_datastore(state, workspace, uri, found)
    if named := _asset(workspace, uri, kind):
        return locate(state, workspace, _asset_uri(state, workspace, uri, named))
    if found := _WASBS.fullmatch(uri):
        uri = f"https://{found['host']}/{found['container']}/{found['path']}"
    return _of_url(workspace, uri)


# The kind of an asset, the field that says where it is, its name and its version.
_Named: TypeAlias = "tuple[AssetKind, str, str, str | None]"


def _asset(workspace: WorkspaceKey, uri: str, kind: str) -> _Named | None:
    if found := _ASSET.fullmatch(uri):
        if found["workspace"].lower() != workspace.storage_key:
            raise JobFailure(f"'{uri}' is an asset of another workspace.")
        registry, field = _KINDS[found["segment"].lower()]
    elif found := _LOCATED.fullmatch(uri):
        if found["guid"].lower() != workspace.guid:
            raise JobFailure(f"'{uri}' is an asset of another workspace.")
        registry, field = _KINDS[found["segment"].lower()]
        return registry, field, found["name"], found["version"]
    elif found := _SHORT.fullmatch(uri):
        registry, field = _KINDS["models" if kind.endswith("_model") else "data"]
    else:
        return None
    if found["label"] not in {None, "latest"}:
        raise JobFailure(f"'{uri}' has the label '{found['label']}'; the one there is is 'latest'.")
    return registry, field, found["name"], found["version"]


def _asset_uri(state: State, workspace: WorkspaceKey, uri: str, named: _Named) -> str:
    registry, field, name, version = named
    try:
        if version is None:
            found = registry.latest(state, workspace, name)
        else:
            found = registry.version(state, workspace, name, version)
    except ServiceError:
        raise JobFailure(f"'{uri}' does not exist.") from None
    return str(found.body[field])


def _in_job(state: State, workspace: WorkspaceKey, uri: str, found: re.Match[str]) -> Place | None:
    job = state.get("job", workspace.storage_key, found["job"])
    if job is None:
        raise JobFailure(f"'{uri}' names the job '{found['job']}', which does not exist.")
    if found["output"] in {"artifacts", "default"}:
        return run_place(workspace, job.name).below(found["path"] or "")
    if job.body["jobType"] == "Pipeline":
        return _in_pipeline(state, workspace, uri, found)
    outputs: dict[str, Any] = job.body["outputs"]
    output = outputs.get(found["output"])
    if output is None:
        known = ", ".join(sorted({*outputs, "artifacts"}))
        raise JobFailure(f"'{uri}' names no output of the job '{job.name}'; it has: {known}.")
    place = locate(state, workspace, output_uri(job.name, found["output"], output))
    return None if place is None else place.below(found["path"] or "")


def _in_pipeline(
    state: State, workspace: WorkspaceKey, uri: str, found: re.Match[str]
) -> Place | None:
    run = state.get("run", workspace.storage_key, found["job"])
    produced: dict[str, dict[str, str]] = (run.body if run else {}).get("produced") or {}
    output = produced.get(found["output"])
    if output is None:
        known = ", ".join(sorted({*produced, "artifacts"}))
        raise JobFailure(
            f"'{uri}' names no output that the pipeline '{found['job']}' has; it has: {known}. It "
            "has its outputs when it has completed."
        )
    path = f"/paths/{found['path']}" if found["path"] else ""
    source = f"azureml://jobs/{output['job']}/outputs/{output['output']}{path}"
    return locate(state, workspace, source)


def _in_datastore(state: State, workspace: WorkspaceKey, uri: str, found: re.Match[str]) -> Place:
    if found["workspace"] is not None:
        named = _WORKSPACE.fullmatch(found["workspace"])
        parts = (workspace.subscription_id, workspace.resource_group, workspace.name)
        if named is None or [part.lower() for part in named.groups()] != [
            part.lower() for part in parts
        ]:
            raise JobFailure(f"'{uri}' is in another workspace.")
    store = state.get("datastore", workspace.storage_key, found["store"])
    if store is None:
        raise JobFailure(f"'{uri}' names the datastore '{found['store']}', which does not exist.")
    if not store.body.get("containerName"):
        raise JobFailure(
            f"'{uri}' is in the datastore '{found['store']}', which is not a blob container; the "
            "emulator has no other storage."
        )
    return Place(
        account=store.body["accountName"],
        container=store.body["containerName"],
        path=found["path"].strip("/"),
    )


def _of_url(workspace: WorkspaceKey, uri: str) -> Place | None:
    url = urlsplit(uri)
    plain = url.scheme == "http" and url.hostname in _LOOPBACK
    if not (url.scheme == "https" or plain) or not url.hostname:
        raise JobFailure(f"'{uri}' is of a kind the emulator does not support; {_KNOWN}.")
    host = _BLOB_HOST.fullmatch(url.hostname)
    if host is None or host["account"].lower() != workspace.storage_account:
        return None
    container, _, name = unquote(url.path).strip("/").partition("/")
    return Place(account=workspace.storage_account, container=container, path=name)
