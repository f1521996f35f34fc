"""A downloaded file on this machine: where it goes, and whether it is here already."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import WorkspaceError

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.run_files import RunFile

CHUNK = 4 << 20
_RESERVED_ON_WINDOWS = '<>:"|?*\\'


class FileState(str, Enum):
    """What became of one file."""

    DOWNLOADED = "downloaded"
    RESUMED = "resumed"
    PRESENT = "present"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedFile:
    """Tell what became of one file.

    Args:
        path: POSIX path below the run.
        size: Bytes.
        state: Whether it was read, read on, there already, or not gotten.
        read: Bytes that were read from storage.
        error: Why it failed, or None.
    """

    path: str
    size: int
    state: FileState
    read: int = 0
    error: str | None = None


def target_of(path: str, dest: Path) -> Path:
    """Say where a file goes.

    Args:
        path: POSIX path below the run.
        dest: The folder of the download.

    Raises:
        WorkspaceError: The path leads out of the folder, or cannot be a file's name here.
    """
    parts = PurePosixPath(path).parts
    refused = not parts or path.startswith("/") or ".." in parts or "\0" in path
    if os.name == "nt":
        refused = refused or any(set(part) & set(_RESERVED_ON_WINDOWS) for part in parts)
    target = dest.joinpath(*parts)
    # A symbolic link that somebody put into the folder must not lead out of it either.
    if refused or not target.parent.resolve().is_relative_to(dest.resolve()):
        raise WorkspaceError(f"{path!r} is not written: it leads out of {dest}.")
    return target


def is_same(target: Path, file: RunFile) -> bool:
    """Tell whether a file is here already: by its digest, or else by its size and time."""
    if not target.is_file() or target.stat().st_size != file.size:
        return False
    if file.md5 is None:
        return (
            file.modified is not None and int(target.stat().st_mtime) == file.modified.timestamp()
        )
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("rb") as stream:
        while piece := stream.read(CHUNK):
            digest.update(piece)
    return digest.digest() == file.md5
