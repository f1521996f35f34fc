"""Files put into the workspace's own storage under a name that follows from their content."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.workspace.blob_container import BlobContainer
from mlflow_azureml_backend.workspace.blob_signature import container_signature
from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.file_digests import digest_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile
    from mlflow_azureml_backend.transfer import Advance
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.digest_cache import DigestCache

DATASTORE = "workspaceblobstore"
_API = "2024-04-01"
_STORAGE_SCOPE = "https://storage.azure.com/.default"
# A signature that the service gives holds for an hour at least.
_FRESH_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """Where files are.

    Args:
        container: URL of the blob container.
        path: Path of their folder in it.
    """

    container: str
    path: str

    @property
    def url(self) -> str:
        """URL of the folder."""
        return f"{self.container}/{self.path}"


def upload_files(
    connection: Connection,
    files: Sequence[SnapshotFile],
    folder: str,
    *,
    doing: str,
    advance: Advance | None = None,
    cache: DigestCache | None = None,
) -> Uploaded:
    """Make sure that the workspace's storage holds these files.

    As with azure-ai-ml, the place follows from the content: what is there already is not uploaded
    again, whoever uploaded it, and an upload that broke off is continued. Of several threads that
    upload the same one does.

    Args:
        connection: The workspace.
        files: As their listing orders them.
        folder: Name of the folder that they are in, below the one named by their content; or ``.``.
        doing: For the message of a failure.
        advance: Told of bytes and files that are there.
        cache: What this machine remembers of the files, or None.

    Raises:
        ProjectError: A file cannot be read any more, or changes while it is uploaded.
        WorkspaceError: The service refused, or could not be reached.
    """
    tree = digest_tree(files) if cache is None else cache.digested(files)
    path = f"LocalUpload/{tree.digest}/{folder}".removesuffix("/.")

    def upload() -> Uploaded:
        container = open_for_uploads(connection, doing=doing)
        # One listing instead of one question a file.
        there = container.names(f"{path}/")
        missing = [each for each in tree.files if f"{path}/{each.file.name}" not in there]
        if advance is not None:
            missing_bytes = sum(each.state.size for each in missing)
            advance(tree.size - missing_bytes, len(tree.files) - len(missing))
        container.put_files(missing, path, advance=advance)
        return Uploaded(container=container.url, path=path)

    return connection.once(("files", path), upload)


def open_for_uploads(connection: Connection, *, doing: str) -> BlobContainer:
    """Open the workspace's own storage; what opens it is asked for now and then.

    Args:
        connection: The workspace.
        doing: For the message of a failure.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    store, secrets = connection.once(
        ("datastore", DATASTORE),
        lambda: _opening(connection, DATASTORE, "opening the workspace's storage"),
        seconds=_FRESH_SECONDS,
    )
    account, name = store["accountName"], store["containerName"]
    url = f"https://{account}.blob.{store.get('endpoint') or 'core.windows.net'}/{name}"
    signature = secrets.get("sasToken") or ""
    if secrets.get("key"):
        signature = container_signature(account, name, secrets["key"])
    token = None if signature else (lambda: connection.token(_STORAGE_SCOPE))
    return BlobContainer(connection.endpoint, url, signature, doing=doing, token=token)


def _opening(
    connection: Connection, datastore: str, doing: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask where a datastore is, and for its key or signature: nothing for the user's identity."""
    place = f"/datastores/{datastore}"
    store = connection.arm("GET", place, api_version=_API, doing=doing)["properties"]
    if (store.get("credentials") or {}).get("credentialsType") == "None":
        return store, {}
    return store, connection.arm(
        "POST", f"{place}/listSecrets", api_version=_API, body={}, doing=doing
    )


@contextmanager
def opened_container(
    connection: Connection, datastore: str, *, doing: str, **options: Any
) -> Iterator[Any]:
    """Open the blob container of a datastore.

    Args:
        connection: The workspace.
        datastore: Its name.
        doing: For the message of a failure.
        options: Further arguments of azure-storage-blob's ContainerClient.

    Raises:
        WorkspaceError: The service refused, or could not be reached, also within the block.
    """
    from azure.storage.blob import ContainerClient

    store, secrets = _opening(connection, datastore, doing)
    account = f"https://{store['accountName']}.blob.{store.get('endpoint') or 'core.windows.net'}"
    arguments: dict[str, Any] = {**connection.endpoint.client_arguments, **options}
    with (
        service_errors(doing),
        ContainerClient(
            account,
            store["containerName"],
            credential=secrets.get("key") or secrets.get("sasToken") or connection.credential,
            **arguments,
        ) as container,
    ):
        yield container
