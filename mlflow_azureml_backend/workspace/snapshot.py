"""The project's snapshot in the workspace: its digest and its upload."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, list_files
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.workspace.blob_container import BlobContainer
from mlflow_azureml_backend.workspace.digest_cache import DigestCache
from mlflow_azureml_backend.workspace.file_digests import digest_tree

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
    tree = DigestCache(root).digested(list_files(root, exclude=exclude))
    return connection.once(
        ("snapshot", tree.digest),
        lambda: _asset_of(
            connection, tree, transfer or Transfer(visible=False), meanwhile or (lambda: None)
        ),
    )


def _asset_of(
    connection: Connection,
    tree: DigestedTree,
    transfer: Transfer,
    meanwhile: Callable[[], object],
) -> str:
    # The name follows the content, so that an upload that broke off is continued, not repeated.
    name = str(uuid.uuid5(_NAMESPACE, tree.digest))
    versions = f"/codes/{name}/versions"
    known = connection.arm(
        "GET",
        versions,
        api_version=_API,
        query={"hash": tree.digest, "hashVersion": HASH_VERSION},
        doing="looking for the snapshot",
    )
    if known.get("value"):
        return str(known["value"][0]["id"])
    pending = connection.arm(
        "POST",
        f"{versions}/1/startPendingUpload",
        api_version=_API,
        body={"pendingUploadType": "TemporaryBlobReference"},
        doing="starting the upload of the snapshot",
    )["blobReferenceForConsumption"]
    url, _, signature = pending["credential"]["sasUri"].partition("?")
    container = BlobContainer(connection.endpoint, url, signature, doing=_DOING)
    with (
        transfer.shown("Uploading the snapshot", tree.size, files=len(tree.files)) as advance,
        ThreadPoolExecutor(1, thread_name_prefix="snapshot") as other,
    ):
        upload = other.submit(container.put_files, tree.files, _FOLDER, advance=advance)
        meanwhile()
        upload.result()
    # As azure-ai-ml marks a finished upload.
    container.set_metadata(
        f"{_FOLDER}/{tree.files[0].file.name}",
        {"name": name, "version": "1", "upload_status": "completed"},
    )
    asset = connection.arm(
        "PUT",
        f"{versions}/1",
        api_version=_API,
        body={
            "properties": {
                "codeUri": f"{pending['blobUri'].rstrip('/')}/{_FOLDER}",
                "isAnonymous": True,
                "isArchived": False,
                "properties": {"hash_sha256": tree.digest, "hash_version": HASH_VERSION},
            }
        },
        doing="registering the snapshot",
    )
    return str(asset["id"])
