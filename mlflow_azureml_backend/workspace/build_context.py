"""A Docker build context in the workspace's storage, where Azure ML builds the image from it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.snapshot import digest, list_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import BuildSpec
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.snapshot import SnapshotFile

_API = "2024-04-01"
_DATASTORE = "/datastores/workspaceblobstore"
_DOCKERFILE = "Dockerfile"


def upload_build_context(connection: Connection, build: BuildSpec) -> tuple[str, str]:
    """Make sure that the workspace's storage holds a build context.

    azure-ai-ml would upload it too, but reaches storage by settings of its own. As there, the place
    follows from the content: what is there already is not uploaded again.

    Args:
        connection: The workspace.
        build: The context.

    Returns:
        The context's URL, and its Dockerfile's path in it.

    Raises:
        ProjectError: The folder cannot be uploaded.
        WorkspaceError: The service refused, or could not be reached.
    """
    with _folder(build) as folder:
        files = list_files(folder)
        prefix = f"LocalUpload/{digest(files)}/environment"
        url = _upload(connection, files, prefix)
    return url, _DOCKERFILE if build.folder is None else build.dockerfile


@contextmanager
def _folder(build: BuildSpec) -> Iterator[Path]:
    if build.folder is not None:
        yield build.folder
        return
    with TemporaryDirectory() as temporary:
        for name, text in {_DOCKERFILE: build.dockerfile, **build.files}.items():
            (Path(temporary) / name).write_text(text, encoding="utf-8", newline="\n")
        yield Path(temporary)


def _upload(connection: Connection, files: list[SnapshotFile], prefix: str) -> str:
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    doing = "uploading the build context of the environment"
    store = connection.arm("GET", _DATASTORE, api_version=_API, doing=doing)["properties"]
    account = f"https://{store['accountName']}.blob.{store.get('endpoint') or 'core.windows.net'}"
    arguments: dict[str, Any] = dict(connection.endpoint.client_arguments)
    with (
        service_errors(doing),
        ContainerClient(
            account,
            store["containerName"],
            credential=_credential(connection, store, doing),
            **arguments,
        ) as container,
    ):
        for file in files:
            blob = container.get_blob_client(f"{prefix}/{file.name}")
            if blob.exists():
                continue
            with file.path.open("rb") as stream:
                try:
                    blob.upload_blob(stream, overwrite=False)
                except ResourceExistsError:
                    continue  # somebody uploads the same content at the same time
    return f"{account}/{store['containerName']}/{prefix}"


def _credential(connection: Connection, store: dict[str, Any], doing: str) -> Any:
    """Give what opens the datastore: its key or signature, or the user's own identity."""
    if (store.get("credentials") or {}).get("credentialsType") == "None":
        return connection.credential
    secrets = connection.arm("POST", f"{_DATASTORE}/listSecrets", api_version=_API, doing=doing)
    return secrets.get("key") or secrets.get("sasToken") or connection.credential
