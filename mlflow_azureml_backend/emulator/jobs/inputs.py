"""What a job reads: brought from storage to its nodes, in the way its mode says."""

from __future__ import annotations

import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.places import Place, locate
from mlflow_azureml_backend.emulator.jobs.read_only import make_read_only
from mlflow_azureml_backend.emulator.jobs.storage import (
    blob_at,
    download_folder,
    upload_file,
    upload_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_DOWNLOAD_SECONDS: Final = 60.0
_FILES: Final = frozenset({"uri_file"})
_FILES_OR_FOLDERS: Final = frozenset({"custom_model", "triton_model"})
_TABLE: Final = "MLTable"
_MODES: Final = ("ReadOnlyMount", "ReadWriteMount", "Download", "Direct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Bring the inputs of one job.

    Args:
        state: the documents of the workspace.
        blobs: its storage accounts.
        workspace: the workspace.
        folder: the job's folder.
    """

    state: State
    blobs: BlobStore
    workspace: WorkspaceKey
    folder: Path

    def bring(self, name: str, body: Mapping[str, Any], nodes: int) -> tuple[str, ...]:
        """Bring an input to every node of the job, and say where it is on each.

        A mount is one for all nodes, as they see the same storage; a download is each node's own.

        Args:
            name: the input's name.
            body: the input, as the service keeps it.
            nodes: the number of nodes.

        Raises:
            JobFailure: it is not there, or of a kind the emulator does not support.
        """
        uri, mode = str(body.get("uri") or ""), body.get("mode") or "ReadOnlyMount"
        if not uri:
            raise JobFailure(f"The job's input '{name}' names no URI.")
        if mode not in _MODES:
            raise JobFailure(
                f"The job's input '{name}' has the mode {mode}, which is not emulated; the modes "
                f"that are: {', '.join(_MODES)}."
            )
        if mode == "Direct":
            return (uri,) * nodes
        if mode == "Download":
            folders = (self.folder / "nodes" / str(node) / "inputs" / name for node in range(nodes))
            return tuple(str(self._copied(name, body, folder)) for folder in folders)
        copy = self._copied(name, body, self.folder / "inputs" / name)
        if mode == "ReadOnlyMount":
            make_read_only(self.folder / "inputs" / name)
        return (str(copy),) * nodes

    def take(self, name: str, body: Mapping[str, Any]) -> None:
        """Copy what a job has changed in an input that it may write back to storage.

        Args:
            name: the input's name.
            body: the input, as the service keeps it.
        """
        folder = self.folder / "inputs" / name
        if body.get("mode") != "ReadWriteMount" or not folder.is_dir():
            return
        place = locate(self.state, self.workspace, body["uri"], body["jobInputType"])
        if place is None:
            return
        file = folder / place.name
        if blob_at(self.blobs, place) is not None and file.is_file():
            upload_file(self.blobs, file, place, place.path, overwrite=True)
        else:
            upload_folder(self.blobs, folder, place, overwrite=True)

    def _copied(self, name: str, body: Mapping[str, Any], folder: Path) -> Path:
        uri, kind = str(body["uri"]), str(body.get("jobInputType"))
        place = locate(self.state, self.workspace, uri, kind)
        if place is None:
            return _foreign_file(name, uri, kind, folder)
        blob = blob_at(self.blobs, place)
        if blob is not None and kind in _FILES | _FILES_OR_FOLDERS:
            folder.mkdir(parents=True)
            return Path(shutil.copyfile(blob.file, folder / place.name))
        if kind in _FILES or not download_folder(self.blobs, place, folder):
            raise _missing(name, uri, place, kind)
        if kind == "mltable" and not (folder / _TABLE).is_file():
            raise JobFailure(
                f"The job's input '{name}': there is no file '{_TABLE}' in '{uri}'; an mltable is "
                "a folder with one."
            )
        return folder


def _missing(name: str, uri: str, place: Place, kind: str) -> JobFailure:
    expected = "file" if kind in _FILES else "folder"
    if kind in _FILES_OR_FOLDERS:
        expected = "file or folder"
    return JobFailure(
        f"The job's input '{name}': there is no {expected} at '{uri}'. "
        f"Data not found: container '{place.container}', path '{place.path}'."
    )


def _foreign_file(name: str, uri: str, kind: str, folder: Path) -> Path:
    if kind not in _FILES:
        raise JobFailure(
            f"The job's input '{name}' is a {kind} at '{uri}', outside of the emulator's "
            "storage; from there it can read only a uri_file."
        )
    folder.mkdir(parents=True)
    file = folder / (PurePosixPath(unquote(urlsplit(uri).path)).name or name)
    try:
        # `locate` has let only https through, and http from this machine.
        with (
            urllib.request.urlopen(uri, timeout=_DOWNLOAD_SECONDS) as answer,  # noqa: S310
            file.open("wb") as stream,
        ):
            shutil.copyfileobj(answer, stream)
    except OSError as error:
        raise JobFailure(f"The job's input '{name}': '{uri}' cannot be read: {error}.") from None
    return file
