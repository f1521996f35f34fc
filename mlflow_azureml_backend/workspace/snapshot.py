"""The project's snapshot in the workspace: its digest and its upload."""

from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, list_files
from mlflow_azureml_backend.workspace.failures import service_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.workspace.connection import Connection

__all__ = ["HASH_VERSION", "SnapshotFile", "digest", "list_files", "upload_snapshot"]

# azure-ai-ml's own number for the digest below; the service finds an asset by both.
HASH_VERSION = "202208"
_API = "2023-04-01"
_NAMESPACE = uuid.UUID("5b0f0a52-6a0e-4f0c-9f0a-3d1c8f6f2f11")
_FOLDER = "project"
_CHUNK = 1 << 20
_UPLOADS = 16


def digest(files: Sequence[SnapshotFile]) -> str:
    """Compute the content hash that azure-ai-ml gives a code asset.

    SHA-256 over the number of files, then `#path#size` of each, then the content of each: the
    same tree uploaded with `az ml` is the same asset.

    Args:
        files: As `list_files` orders them.

    Raises:
        ProjectError: A file has gone, or cannot be read.
    """
    sha = hashlib.sha256(str(len(files)).encode())
    for file in files:
        with reading(file):
            sha.update(f"#{file.name}#{file.path.stat().st_size}".encode())
    for file in files:
        with reading(file), file.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                sha.update(chunk)
    return sha.hexdigest()


@contextmanager
def reading(file: SnapshotFile) -> Iterator[None]:
    """Say which file it is that cannot be read any more.

    Raises:
        ProjectError: Instead of the OSError of the block.
    """
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # one of the network, of which requests makes an OSError too
            raise
        raise ProjectError(
            f"{file.path} changed while it was uploaded: {error.strerror}. Run it again when "
            "nothing writes there, or list the file in .amlignore."
        ) from error


def upload_snapshot(connection: Connection, root: Path, *, exclude: Sequence[str] = ()) -> str:
    """Make sure that the workspace holds this folder as a code asset.

    Args:
        connection: The workspace.
        root: The project's folder.
        exclude: As `list_files` takes it.

    Returns:
        The asset's ARM id; an existing asset of the same content is used again.

    Raises:
        ProjectError: The folder cannot be a snapshot.
        WorkspaceError: The service refused, or could not be reached.
    """
    files = list_files(root, exclude=exclude)
    content_hash = digest(files)
    # The name follows the content, so that an upload that broke off is continued, not repeated.
    name = str(uuid.uuid5(_NAMESPACE, content_hash))
    versions = f"/codes/{name}/versions"
    known = connection.arm(
        "GET",
        versions,
        api_version=_API,
        query={"hash": content_hash, "hashVersion": HASH_VERSION},
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
    _put_files(connection, pending["credential"]["sasUri"], files, name)
    asset = connection.arm(
        "PUT",
        f"{versions}/1",
        api_version=_API,
        body={
            "properties": {
                "codeUri": f"{pending['blobUri'].rstrip('/')}/{_FOLDER}",
                "isAnonymous": True,
                "isArchived": False,
                "properties": {"hash_sha256": content_hash, "hash_version": HASH_VERSION},
            }
        },
        doing="registering the snapshot",
    )
    return str(asset["id"])


def _put_files(connection: Connection, sas: str, files: list[SnapshotFile], name: str) -> None:
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    def put(file: SnapshotFile) -> None:
        # The container belongs to this content alone: a blob may be there already.
        with suppress(ResourceExistsError), reading(file), file.path.open("rb") as stream:
            container.upload_blob(f"{_FOLDER}/{file.name}", stream, overwrite=False)

    arguments: dict[str, Any] = dict(connection.endpoint.client_arguments)
    with (
        service_errors("uploading the snapshot"),
        ContainerClient.from_container_url(sas, **arguments) as container,
    ):
        with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="snapshot") as pool:
            # list() waits for all and raises the first failure.
            list(pool.map(put, files))
        # As azure-ai-ml marks a finished upload.
        container.get_blob_client(f"{_FOLDER}/{files[0].name}").set_blob_metadata(
            {"name": name, "version": "1", "upload_status": "completed"}
        )
