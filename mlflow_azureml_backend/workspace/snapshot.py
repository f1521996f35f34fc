"""The project's files as Azure ML will see them: which, their digest, their upload."""

from __future__ import annotations

import hashlib
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathspec import GitIgnoreSpec

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.workspace.failures import service_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pathspec import Pattern

    from mlflow_azureml_backend.workspace.connection import Connection

# azure-ai-ml's own number for the digest below; the service finds an asset by both.
HASH_VERSION = "202208"
_API = "2023-04-01"
_NAMESPACE = uuid.UUID("5b0f0a52-6a0e-4f0c-9f0a-3d1c8f6f2f11")
_FOLDER = "project"
_CHUNK = 1 << 20
_UPLOADS = 16

# Never code, often large, sometimes secret. Everything else is for an .amlignore or .gitignore.
_NEVER = frozenset({".git", "__pycache__", "mlruns", "mlartifacts", "mlflow.db"})
_VIRTUAL_ENVIRONMENT = frozenset({"pyvenv.cfg"})
# An emulator's state, which a test run may keep below the project: its keys and environments.
_EMULATOR_STATE = frozenset({"server.lock", "tenant.json", "state.db"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """One file of a snapshot: where it is and its POSIX path below the project."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _IgnoreRules:
    """The rules of an ignore file, of which the last that matches decides, as in azure-ai-ml.

    Git itself would keep a file ignored whose folder alone is taken back.
    """

    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def of(cls, root: Path) -> _IgnoreRules:
        """Read a folder's `.amlignore`, or else its `.gitignore`."""
        for path in (root / ".amlignore", root / ".gitignore"):
            if path.is_file():
                try:
                    lines = path.read_text(encoding="utf-8-sig").splitlines()
                    return cls(tuple(GitIgnoreSpec.from_lines(map(str.strip, lines)).patterns))
                except ValueError as error:
                    raise ProjectError(f"{path} cannot be read: {error}.") from error
        return cls()

    def ignore(self, name: str) -> bool:
        """Tell whether a path below the folder stays behind."""
        ignored = False
        for pattern in self.patterns:
            if pattern.include is not None and pattern.match_file(name) is not None:
                ignored = pattern.include
        return ignored


def list_files(root: Path) -> list[SnapshotFile]:
    """List the files of a snapshot, in the order in which they are hashed.

    The rules are azure-ai-ml's: a root `.amlignore`, or else a root `.gitignore`, names what stays
    behind. Repositories' metadata, local MLflow stores, virtual environments and emulators' state
    always do.

    Args:
        root: The project's folder.

    Raises:
        ProjectError: The folder is empty, holds what cannot be read or named, or a symbolic link
            leaves it.
    """
    root = root.resolve()
    try:
        found = list(_walk(root, root, _IgnoreRules.of(root), ()))
    except OSError as error:
        raise ProjectError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not found:
        raise ProjectError(f"{root} has no file to upload.")
    return sorted(found, key=lambda file: file.name.lower())


def digest(files: list[SnapshotFile]) -> str:
    """Compute the content hash that azure-ai-ml gives a code asset.

    SHA-256 over the number of files, then `#path#size` of each, then the content of each: the
    same tree uploaded with `az ml` is the same asset.

    Args:
        files: As `list_files` orders them.
    """
    sha = hashlib.sha256(str(len(files)).encode())
    for file in files:
        sha.update(f"#{file.name}#{file.path.stat().st_size}".encode())
    for file in files:
        with file.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                sha.update(chunk)
    return sha.hexdigest()


def upload_snapshot(connection: Connection, root: Path) -> str:
    """Make sure that the workspace holds this folder as a code asset.

    Args:
        connection: The workspace.
        root: The project's folder.

    Returns:
        The asset's ARM id; an existing asset of the same content is used again.

    Raises:
        ProjectError: The folder cannot be a snapshot.
        WorkspaceError: The service refused, or could not be reached.
    """
    files = list_files(root)
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
        try:
            with file.path.open("rb") as stream:
                container.upload_blob(f"{_FOLDER}/{file.name}", stream, overwrite=False)
        except ResourceExistsError:
            # The container belongs to this content alone: the blob is there already.
            return
        except OSError as error:
            raise ProjectError(
                f"{file.path} changed while it was uploaded: {error.strerror}. Run it again when "
                "nothing writes to the project, or list the file in .amlignore."
            ) from error

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


def _walk(
    folder: Path, root: Path, rules: _IgnoreRules, above: tuple[str, ...]
) -> Iterator[SnapshotFile]:
    real = os.path.realpath(folder)
    if real in above:
        raise ProjectError(
            f"{folder} is a symbolic link to a folder above it; remove it, or list it in "
            ".amlignore."
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            if entry.name in _NEVER:
                continue
            if entry.is_symlink():
                if rules.ignore(name) or rules.ignore(f"{name}/"):
                    continue
                if not Path(os.path.realpath(path)).is_relative_to(root):
                    raise ProjectError(
                        f"{path} is a symbolic link that leaves the project; copy the file into "
                        "it, or list the link in .amlignore and pass the data as a parameter."
                    )
            if entry.is_dir():
                if not _is_marked(path):
                    yield from _walk(path, root, rules, (*above, real))
            elif entry.is_file() and not _stays_behind(name, Path(real), root, rules):
                yield SnapshotFile(path=path, name=_checked(name))


def _is_marked(folder: Path) -> bool:
    """Tell whether a folder's own files say that it is no part of a project."""
    return any(
        all((folder / name).is_file() for name in marks)
        for marks in (_VIRTUAL_ENVIRONMENT, _EMULATOR_STATE)
    )


def _stays_behind(name: str, real_folder: Path, root: Path, rules: _IgnoreRules) -> bool:
    """Tell whether a file is ignored by its name, or by where the link to its folder leads."""
    real_name = (real_folder.relative_to(root) / Path(name).name).as_posix()
    return rules.ignore(name) or rules.ignore(real_name)


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ProjectError(f"{name!r}: the file's name is no UTF-8; rename it.") from error
    return name
