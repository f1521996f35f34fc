"""Artifacts of one store, copied to another in batches of limited size."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlflow_azureml_backend.tracking.batches import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow_azureml_backend.tracking.artifact_store import ArtifactStore
    from mlflow_azureml_backend.tracking.source_run import SourceFiles

# What is on this machine's disk at a time, unless one file is larger.
_FILES_A_BATCH = 500
_BYTES_A_BATCH = 64 * 1024 * 1024


class StoredSizes:
    """Tell how large the files are that a store has, with one request a folder.

    Args:
        store: The store.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._folders: dict[str, dict[str, int | None]] = {}

    def has(self, path: str, size: int | None) -> bool:
        """Tell whether a file of this path and size is there.

        Args:
            path: POSIX path below the artifacts' root.
            size: Bytes; None: it is not known, and then no file is the same.
        """
        return size is not None and self._files(_parent(path)).get(path) == size

    def _files(self, folder: str) -> dict[str, int | None]:
        """Give the size of each file in a folder, None for each folder."""
        if folder not in self._folders:
            # Only a folder that is listed is there: most stores fail for others, or list files.
            known = not folder or self._files(_parent(folder)).get(folder, 0) is None
            self._folders[folder] = {
                info.path: None if info.is_dir else info.file_size or 0
                for info in (self._store.list(folder) if known else ())
            }
        return self._folders[folder]


def copy_files(
    source: SourceFiles,
    store: ArtifactStore,
    paths: Sequence[str],
    *,
    adapt: Callable[[Path], None] = lambda _folder: None,
) -> dict[str, str]:
    """Copy files that a store has not with the same size.

    At any time a few hundred files, or 64 MB, are on this machine's disk, or one larger file.

    Args:
        source: Where the files are.
        store: Where they go.
        paths: Which, as the source lists them.
        adapt: Changes the files of a batch on their way, given the folder that they are below.

    Returns:
        Why a file was not copied, by its path.

    Raises:
        ArtifactStoreError: The store takes nothing.
        WorkspaceError: The source does not answer.
    """
    sizes = {file["path"]: file["size"] for file in source.listed}
    stored = StoredSizes(store)
    missing = [path for path in paths if not stored.has(path, sizes[path])]
    failed: dict[str, str] = {}
    for batch in batches(
        missing,
        _FILES_A_BATCH,
        weight=lambda path: sizes[path] or 0,
        heaviest=_BYTES_A_BATCH,
    ):
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-") as folder:
            root = Path(folder).resolve()
            failed |= source.download(batch, root)
            for leftover in root.rglob("*.part") if failed else ():
                if leftover.relative_to(root).as_posix() not in sizes:
                    leftover.unlink()
            adapt(root)
            if any(path.is_file() for path in root.rglob("*")):
                store.upload(root)
    return failed


def _parent(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent
