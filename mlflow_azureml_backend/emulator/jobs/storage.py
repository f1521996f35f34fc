"""Places in storage: what a URI names, and files moved between there and a job's folders."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.blob_store import BlobInfo, BlobStore
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
    r"/(?P<segment>data|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)",
    re.IGNORECASE,
)
_ASSETS: Final = {"data": ("data", "dataUri"), "models": ("model", "modelUri")}
_BLOB_HOST: Final = re.compile(r"(?P<account>[^.]+)\.blob\.core\.windows\.net", re.IGNORECASE)
_PIECE: Final = 1 << 20


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


def locate(state: State, workspace: WorkspaceKey, uri: str) -> Place | None:
    """Find out what a URI names: a datastore path, a data or model asset, or a blob's own URL.

    Args:
        state: the documents of the workspace.
        workspace: the workspace.
        uri: the URI.

    Returns:
        None for a URL of storage that is not the emulator's.

    Raises:
        JobFailure: it names nothing there is, or is of a kind the emulator does not know.
    """
    if asset := _ASSET.fullmatch(uri):
        kind, field = _ASSETS[asset["segment"].lower()]
        if asset["workspace"].lower() != workspace.storage_key:
            raise JobFailure(f"'{uri}' is an asset of another workspace.")
        found = state.get(kind, workspace.storage_key, asset["name"], asset["version"])
        if found is None:
            raise JobFailure(f"'{uri}' does not exist.")
        return locate(state, workspace, found.body[field])
    if path := _DATASTORE.fullmatch(uri):
        return _in_datastore(state, workspace, uri, path)
    url = urlsplit(uri)
    if url.scheme != "https" or not url.hostname:
        raise JobFailure(
            f"'{uri}' is of a kind the emulator does not support; it supports datastore paths "
            "(azureml://datastores/NAME/paths/PATH), data and model assets, and https URLs."
        )
    host = _BLOB_HOST.fullmatch(url.hostname)
    if host is None or host["account"].lower() != workspace.storage_account:
        return None
    container, _, name = unquote(url.path).strip("/").partition("/")
    return Place(account=workspace.storage_account, container=container, path=name)


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
    return Place(
        account=store.body["accountName"],
        container=store.body["containerName"],
        path=found["path"].strip("/"),
    )


def blob_at(blobs: BlobStore, place: Place) -> BlobInfo | None:
    """Give the blob of exactly that path, or None."""
    return blobs.info(place.account, place.container, place.path) if place.path else None


def download_folder(blobs: BlobStore, place: Place, folder: Path) -> int:
    """Copy all blobs below a path into a folder.

    Args:
        blobs: the storage accounts.
        place: the path.
        folder: where to; it is made, also when there is nothing to copy.

    Returns:
        How many files were copied.

    Raises:
        JobFailure: a blob's name leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"{place.path}/" if place.path else ""
    count = 0
    for blob in blobs.list(place.account, place.container, prefix):
        relative = PurePosixPath(blob.name[len(prefix) :])
        if relative.is_absolute() or ".." in relative.parts:
            raise JobFailure(f"The blob name '{blob.name}' leads out of its folder.")
        file = folder / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(blob.file, file)
        count += 1
    return count


def upload_folder(
    blobs: BlobStore, folder: Path, place: Place, *, overwrite: bool
) -> tuple[str, ...]:
    """Copy all files of a folder to blobs below a path; symbolic links to folders are left out.

    Args:
        blobs: the storage accounts.
        folder: the folder; one that does not exist is an empty one.
        place: the path.
        overwrite: replace blobs that are there already.

    Returns:
        The names of the blobs that were there already and were not replaced.
    """
    kept = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        name = str(PurePosixPath(place.path, *file.relative_to(folder).parts))
        if not upload_file(blobs, file, place, name, overwrite=overwrite):
            kept.append(name)
    return tuple(kept)


def upload_file(blobs: BlobStore, file: Path, place: Place, name: str, *, overwrite: bool) -> bool:
    """Copy a file to a blob.

    Args:
        blobs: the storage accounts.
        file: the file.
        place: names the account and the container.
        name: the blob's name.
        overwrite: replace a blob that is there already.

    Returns:
        False when a blob was there and was not to be replaced.
    """
    try:
        blobs.write(
            place.account, place.container, name, _pieces(file), if_none_match=not overwrite
        )
    except BlobError as error:
        if error.code != "BlobAlreadyExists":
            raise
        return False
    return True


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
