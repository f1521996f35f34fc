"""The project's snapshot in the workspace: its digest and its upload."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, list_files
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.workspace.blob_container import BlobContainer
from mlflow_azureml_backend.workspace.digest_cache import DigestCache
from mlflow_azureml_backend.workspace.file_digests import digest_tree
from mlflow_azureml_backend.workspace.former_snapshot import last_upload, note_upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.file_digests import DigestedTree

__all__ = ["HASH_VERSION", "SnapshotFile", "digest", "list_files", "upload_snapshot"]

# azure-ai-ml's own number for the digest; the service finds an asset by both.
HASH_VERSION = "202208"
_API = "2023-04-01"
_NAMESPACE = uuid.UUID("5b0f0a52-6a0e-4f0c-9f0a-3d1c8f6f2f11")
_FOLDER = "project"
_DOING = "uploading the snapshot"


def digest(files: Sequence[SnapshotFile]) -> str:
    """Compute the content hash that azure-ai-ml gives a code asset.

    Args:
        files: As `list_files` orders them.

    Raises:
        ProjectError: A file has gone, or cannot be read.
    """
    return digest_tree(files).digest


def upload_snapshot(
    connection: Connection,
    root: Path,
    *,
    exclude: Sequence[str] = (),
    transfer: Transfer | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> str:
    """Make sure that the workspace holds this folder as a code asset.

    Args:
        connection: The workspace.
        root: The project's folder.
        exclude: As `list_files` takes it.
        transfer: Shows what is uploaded.
        meanwhile: Called while storage is busy with an upload.

    Returns:
        The asset's ARM id; an existing asset of the same content is used again.

    Raises:
        ProjectError: The folder cannot be a snapshot, or changes while it is uploaded.
        WorkspaceError: The service refused, or could not be reached.
    """
    cache = DigestCache(root)
    tree = cache.digested(list_files(root, exclude=exclude))
    return connection.once(
        ("snapshot", tree.digest),
        lambda: _Upload(connection, cache, tree, transfer or Transfer(visible=False)).asset(
            meanwhile or (lambda: None)
        ),
    )


class _Upload:
    """The upload of one snapshot."""

    def __init__(
        self, connection: Connection, cache: DigestCache, tree: DigestedTree, transfer: Transfer
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._tree = tree
        self._transfer = transfer
        # The name follows the content, so that an upload that broke off is continued.
        self._name = str(uuid.uuid5(_NAMESPACE, tree.digest))

    def asset(self, meanwhile: Callable[[], object]) -> str:
        """Give the id of the asset, which is created when every file is confirmed."""
        connection, digest = self._connection, self._tree.digest
        known = connection.arm(
            "GET",
            f"/codes/{self._name}/versions",
            api_version=_API,
            query={"hash": digest, "hashVersion": HASH_VERSION},
            doing="looking for the snapshot",
        )
        if known.get("value"):
            return str(known["value"][0]["id"])
        pending = self._begin(self._name)
        url, _, signature = pending["credential"]["sasUri"].partition("?")
        self._put_files(BlobContainer(connection.endpoint, url, signature, doing=_DOING), meanwhile)
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
        note_upload(self._cache, connection.ref.arm_id, self._name, url, self._tree)
        return str(asset["id"])

    def _put_files(self, container: BlobContainer, meanwhile: Callable[[], object]) -> None:
        tree = self._tree
        former = last_upload(self._cache, self._connection.ref.arm_id)
        source = None
        if former is not None and former.has_many_of(tree):
            source = former.source(self._begin, _FOLDER)
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
                # As azure-ai-ml marks a finished upload.
                mark={"name": self._name, "version": "1", "upload_status": "completed"},
            )
            meanwhile()
            upload.result()

    def _begin(self, name: str) -> dict[str, Any]:
        """Begin an upload, or open its container again; the signature holds for hours."""

        def ask() -> dict[str, Any]:
            answer: dict[str, Any] = self._connection.arm(
                "POST",
                f"/codes/{name}/versions/1/startPendingUpload",
                api_version=_API,
                body={"pendingUploadType": "TemporaryBlobReference"},
                doing="starting the upload of the snapshot",
            )["blobReferenceForConsumption"]
            return answer

        return self._connection.once(("pending", name), ask)
