"""The project's snapshot in the workspace: its digest and its upload."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, list_files
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.workspace.blob_container import BlobContainer, connections_for
from mlflow_azureml_backend.workspace.blob_pool import open_ahead
from mlflow_azureml_backend.workspace.digest_cache import DigestCache
from mlflow_azureml_backend.workspace.file_digests import digest_tree
from mlflow_azureml_backend.workspace.former_snapshot import last_upload, note_upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.file_digests import DigestedTree

__all__ = [
    "HASH_VERSION",
    "LocalSnapshot",
    "SnapshotFile",
    "begin_upload",
    "digest",
    "find_snapshot",
    "list_files",
    "read_snapshot",
    "upload_snapshot",
]

# azure-ai-ml's own number for the digest; the service finds an asset by both.
HASH_VERSION = "202208"
_API = "2023-04-01"
_NAMESPACE = uuid.UUID("5b0f0a52-6a0e-4f0c-9f0a-3d1c8f6f2f11")
_FOLDER = "project"
_DOING = "uploading the snapshot"
# Somebody else may upload the same.
_ABSENCE_SECONDS = 10.0


def digest(files: Sequence[SnapshotFile]) -> str:
    """Compute the content hash that azure-ai-ml gives a code asset.

    Args:
        files: As `list_files` orders them.

    Raises:
        ProjectError: A file has gone, or cannot be read.
    """
    return digest_tree(files).digest


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSnapshot:
    """What a folder holds, as it was read.

    Args:
        tree: Its files.
        cache: What this machine remembers of the folder.
    """

    tree: DigestedTree
    cache: DigestCache


def read_snapshot(
    root: Path, *, exclude: Sequence[str] = (), files: Sequence[SnapshotFile] | None = None
) -> LocalSnapshot:
    """Read what a folder holds; what has not changed since last time is not read again.

    Args:
        root: The project's folder.
        exclude: As `list_files` takes it.
        files: What `list_files` gave just now; default: it is asked.

    Raises:
        ProjectError: The folder cannot be a snapshot, or changes while it is read.
    """
    cache = DigestCache(root)
    listed = list_files(root, exclude=exclude) if files is None else files
    return LocalSnapshot(tree=cache.digested(listed), cache=cache)


def find_snapshot(connection: Connection, snapshot: LocalSnapshot) -> str | None:
    """Give the ARM id of the code asset that holds a snapshot already, or None.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    known = connection.once(
        ("snapshot there", snapshot.tree.digest),
        lambda: connection.arm(
            "GET",
            f"/codes/{_asset_name(snapshot.tree)}/versions",
            api_version=_API,
            query={"hash": snapshot.tree.digest, "hashVersion": HASH_VERSION},
            doing="looking for the snapshot",
        ),
        seconds=_ABSENCE_SECONDS,
    )
    found = known.get("value")
    return str(found[0]["id"]) if found else None


def begin_upload(connection: Connection, snapshot: LocalSnapshot) -> None:
    """Let the service open a container for a snapshot that it does not hold yet.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    if find_snapshot(connection, snapshot) is None:
        # It will be a container of the workspace's own storage.
        storage = str(connection.workspace_facts["properties"].get("storageAccount") or "")
        if account := storage.rpartition("/")[2]:
            url = f"https://{account}.blob.core.windows.net"
            open_ahead(connection.endpoint, url, connections_for(snapshot.tree.files))
        _begin(connection, _asset_name(snapshot.tree))


def upload_snapshot(
    connection: Connection,
    snapshot: LocalSnapshot,
    *,
    transfer: Transfer | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> str:
    """Make sure that the workspace holds a snapshot as a code asset.

    Args:
        connection: The workspace.
        snapshot: As `read_snapshot` gives it.
        transfer: Shows what is uploaded.
        meanwhile: Called while storage is busy with an upload.

    Returns:
        The asset's ARM id; an existing asset of the same content is used again.

    Raises:
        ProjectError: The folder changes while it is uploaded.
        WorkspaceError: The service refused, or could not be reached.
    """
    upload = _Upload(connection, snapshot, transfer or Transfer(visible=False))
    return connection.once(
        ("snapshot", snapshot.tree.digest), lambda: upload.asset(meanwhile or (lambda: None))
    )


def _asset_name(tree: DigestedTree) -> str:
    # It follows the content, so that an upload that broke off is continued.
    return str(uuid.uuid5(_NAMESPACE, tree.digest))


def _begin(connection: Connection, name: str) -> dict[str, Any]:
    """Begin an upload, or open its container again; the signature holds for hours."""

    def ask() -> dict[str, Any]:
        answer: dict[str, Any] = connection.arm(
            "POST",
            f"/codes/{name}/versions/1/startPendingUpload",
            api_version=_API,
            body={"pendingUploadType": "TemporaryBlobReference"},
            doing="starting the upload of the snapshot",
        )["blobReferenceForConsumption"]
        return answer

    return connection.once(("pending", name), ask)


class _Upload:
    """The upload of one snapshot."""

    def __init__(self, connection: Connection, snapshot: LocalSnapshot, transfer: Transfer) -> None:
        self._connection = connection
        self._cache = snapshot.cache
        self._tree = snapshot.tree
        self._snapshot = snapshot
        self._transfer = transfer
        self._name = _asset_name(snapshot.tree)

    def asset(self, meanwhile: Callable[[], object]) -> str:
        """Give the id of the asset, which is created when every file is confirmed."""
        connection, digest = self._connection, self._tree.digest
        known = find_snapshot(connection, self._snapshot)
        if known is not None:
            return known
        pending = _begin(connection, self._name)
        url, _, signature = pending["credential"]["sasUri"].partition("?")
        container = BlobContainer(connection.endpoint, url, signature, doing=_DOING)
        self._put_files(container, meanwhile)
        marked = begin(lambda: self._mark(container))
        asset = connection.arm(
            "PUT",
            f"/codes/{self._name}/versions/1",
            api_version=_API,
            body={
                "properties": {
                    "codeUri": f"{pending['blobUri'].rstrip('/')}/{_FOLDER}",
                    "isAnonymous": True,
                    "isArchived": False,
                    "properties": {"hash_sha256": digest, "hash_version": HASH_VERSION},
                }
            },
            doing="registering the snapshot",
        )
        marked.result()
        note_upload(self._cache, connection.ref.arm_id, self._name, url, self._tree)
        return str(asset["id"])

    def _put_files(self, container: BlobContainer, meanwhile: Callable[[], object]) -> None:
        tree = self._tree
        former = last_upload(self._cache, self._connection.ref.arm_id)
        source = None
        if former is not None and former.has_many_of(tree):
            source = former.source(lambda name: _begin(self._connection, name), _FOLDER)
        with (
            self._transfer.shown(
                "Uploading the snapshot", tree.size, files=len(tree.files)
            ) as advance,
            ThreadPoolExecutor(1, thread_name_prefix="snapshot") as other,
        ):
            upload = other.submit(
                container.put_files,
                tree.files,
                _FOLDER,
                advance=advance,
                source=source,
            )
            meanwhile()
            upload.result()

    def _mark(self, container: BlobContainer) -> None:
        """Mark the upload as finished, where azure-ai-ml does."""
        first = self._tree.files[0].file.name
        container.describe(
            f"{_FOLDER}/{first}",
            {"name": self._name, "version": "1", "upload_status": "completed"},
        )
