"""Files put into the workspace's own storage under a name that follows from their content."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.snapshot import digest, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile
    from mlflow_azureml_backend.workspace.connection import Connection

DATASTORE = "workspaceblobstore"
_API = "2024-04-01"
_THREADS = 16


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
    advance: Callable[[int], None] | None = None,
) -> Uploaded:
    """Make sure that the workspace's storage holds these files.

    As with azure-ai-ml, the place follows from the content: what is there already is not uploaded
    again, whoever uploaded it, and an upload that broke off is continued.

    Args:
        connection: The workspace.
        files: As their listing orders them.
        folder: Name of the folder that they are in, below the one named by their content; or ``.``.
        doing: For the message of a failure.
        advance: Told the size in bytes of each file that is there.

    Raises:
        ProjectError: A file cannot be read any more.
        WorkspaceError: The service refused, or could not be reached.
    """
    from azure.core.exceptions import ResourceExistsError

    path = f"LocalUpload/{digest(files)}/{folder}".removesuffix("/.")
    with opened_container(connection, DATASTORE, doing=doing) as container:
        # One listing instead of one question a file.
        there = set(container.list_blob_names(name_starts_with=f"{path}/"))

        def put(file: SnapshotFile) -> None:
            blob = f"{path}/{file.name}"
            with reading(file):
                size = file.path.stat().st_size
                if blob not in there:
                    # Somebody may upload the same content at the same time.
                    with suppress(ResourceExistsError), file.path.open("rb") as stream:
                        container.upload_blob(blob, stream, overwrite=False)
            if advance is not None:
                advance(size)

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="upload") as pool:
            # list() waits for all and raises the first failure.
            list(pool.map(put, files))
    return Uploaded(container=str(container.url).partition("?")[0], path=path)


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

    place = f"/datastores/{datastore}"
    store = connection.arm("GET", place, api_version=_API, doing=doing)["properties"]
    account = f"https://{store['accountName']}.blob.{store.get('endpoint') or 'core.windows.net'}"
    arguments: dict[str, Any] = {**connection.endpoint.client_arguments, **options}
    with (
        service_errors(doing),
        ContainerClient(
            account,
            store["containerName"],
            credential=_credential(connection, place, store, doing),
            **arguments,
        ) as container,
    ):
        yield container


def _credential(connection: Connection, place: str, store: dict[str, Any], doing: str) -> Any:
    """Give what opens the datastore: its key or signature, or the user's own identity."""
    if (store.get("credentials") or {}).get("credentialsType") == "None":
        return connection.credential
    secrets = connection.arm("POST", f"{place}/listSecrets", api_version=_API, doing=doing)
    return secrets.get("key") or secrets.get("sasToken") or connection.credential
