"""Choose among a job's files and download them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.workspace.download import download_files
from mlflow_azureml_backend.workspace.run_files import OUTPUTS_FOLDER, RunFile, run_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.local_file import DownloadedFile

_NAMED_IN_MESSAGE = 8


class DownloadProgress(Protocol):
    """Who wants to see a download go on."""

    def begin(self, files: int, size: int) -> None:
        """Tell how many files and bytes there are in all."""

    def advance(self, count: int) -> None:
        """Tell that so many more bytes are there; called from several threads."""


class Unseen:
    """Show nothing of a download."""

    def begin(self, files: int, size: int) -> None:
        """Show nothing."""

    def advance(self, count: int) -> None:
        """Show nothing."""


def download_job(
    connection: Connection,
    job_name: str,
    *,
    paths: Sequence[str],
    dest: Path,
    progress: DownloadProgress,
) -> list[DownloadedFile]:
    """Bring a job's artifacts and named outputs to a folder.

    Args:
        connection: The workspace.
        job_name: The job.
        paths: Files, folders or patterns below the run; outputs are `named-outputs/OUTPUT/…`.
            None: everything.
        dest: The folder.
        progress: Is told how far it is.

    Returns:
        What became of each file.

    Raises:
        NotFoundError: There is no such job, or one of `paths` fits nothing.
        WorkspaceError: The files could not be listed.
    """
    with run_files(connection, job_name) as files:
        found: list[RunFile] = []
        if not paths or not all(map(_is_output, paths)):
            found += files.artifacts()
        if not paths or any(map(_is_output, paths)):
            found += files.outputs()
        chosen = choose(found, paths)
        progress.begin(len(chosen), sum(file.size for file in chosen))
        return download_files(chosen, dest, progress=progress.advance)


def choose(files: Sequence[RunFile], paths: Sequence[str]) -> list[RunFile]:
    """Give the files that are one of the paths, lie below one, or fit one as a pattern.

    Args:
        files: What there is.
        paths: What is wanted; empty for everything.

    Raises:
        NotFoundError: A path fits nothing; names some that there are.
    """
    wanted = [path.strip("/").removeprefix("./") for path in paths]
    for path in wanted:
        if not any(_fits(file.path, path) for file in files):
            names = [file.path for file in files[:_NAMED_IN_MESSAGE]]
            more = ", …" if len(files) > len(names) else ""
            there = f"It has: {', '.join(names)}{more}." if names else "It has no files (yet)."
            raise NotFoundError(f"The job has no file '{path}'. {there}")
    return [file for file in files if not wanted or any(_fits(file.path, p) for p in wanted)]


def _fits(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/") or fnmatchcase(name, path)


def _is_output(path: str) -> bool:
    return path.strip("/").removeprefix("./").split("/")[0] == OUTPUTS_FOLDER
