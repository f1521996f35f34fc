"""The files of a folder of data on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.ignore_rules import DATA_IGNORE_FILES, IgnoreRules
from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def list_data_files(path: Path) -> list[SnapshotFile]:
    """List what is uploaded of a file or folder of data, in the order in which it is hashed.

    Unlike a project's snapshot, all of it is: only an `.amlignore` or `.mlflowignore` leaves files
    behind. Symbolic links are followed wherever they lead, as folders of data are often made of
    them.

    Args:
        path: The file or folder.

    Raises:
        ProjectError: It has no file, or holds what cannot be read or named.
    """
    if not path.is_dir():
        return [SnapshotFile(path=path, name=as_text(path.name))]
    rules = IgnoreRules(path, files=DATA_IGNORE_FILES)
    try:
        found = list(_walk(path, path, rules, ()))
    except OSError as error:
        raise ProjectError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if not found:
        raise ProjectError(f"{path} has no file to upload.")
    return sorted(found, key=lambda file: file.name.lower())


def _walk(
    folder: Path, root: Path, rules: IgnoreRules, above: tuple[str, ...]
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
            name = as_text(path.relative_to(root).as_posix())
            if entry.is_dir():
                if not (entry.is_symlink() and rules.ignore(f"{name}/")):
                    yield from _walk(path, root, rules, (*above, real))
            elif not rules.ignore(name):
                if not entry.is_file():
                    raise ProjectError(
                        f"{path} is no file that can be uploaded (a broken link, a pipe or a "
                        "device); remove it, or list it in .amlignore."
                    )
                yield SnapshotFile(path=path, name=name)
