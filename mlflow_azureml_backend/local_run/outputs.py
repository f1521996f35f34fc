"""What a local run writes to `outputs/`, as told from what was there before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.project.snapshot_files import SnapshotFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.local_run.folder import Request

OUTPUTS = "outputs"


def seen_outputs(working_folder: Path) -> dict[str, list[int]]:
    """Note what is in the outputs before the run: size and time of change, by path.

    Args:
        working_folder: Where the command will run.
    """
    return {name: _version(path) for name, path in _files(working_folder / OUTPUTS)}


def changed_outputs(request: Request) -> Iterator[SnapshotFile]:
    """Give the files of the outputs that were made or written to since the run began.

    Args:
        request: The run.
    """
    for name, path in _files(Path(request.working_folder) / OUTPUTS):
        if _version(path) != list(request.outputs_before.get(name, ())):
            yield SnapshotFile(path=path, name=f"{OUTPUTS}/{name}")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _version(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]
