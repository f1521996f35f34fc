"""The project's files as Azure ML will see them: which they are, and how large."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.ignore_rules import IgnoreRules
from mlflow_azureml_backend.project.recent_listings import Places, recent_or
from mlflow_azureml_backend.sizes import shown_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Never code, often large, sometimes secret. Everything else is for an ignore file.
_NEVER = frozenset({".git", "__pycache__", "mlruns", "mlartifacts", "mlflow.db"})
# Folders known by what is in them, and those whose marks could be a project's own by their name.
_MARKS = (
    (None, ("pyvenv.cfg",)),  # a virtual environment
    (None, ("conda-meta/history",)),  # a conda environment
    ("pkgs", ("urls.txt",)),  # conda's cache
    ("pip", ("http-v2",)),  # pip's cache
    ("pip", ("http", "wheels")),  # and that of pip before 23.3
    # An emulator's state, which a test run may keep below the project: its keys and environments.
    (None, ("server.lock", "tenant.json", "state.db")),
)
# Storage keeps files alone; this one, of no bytes, keeps an empty folder.
_KEEPER = ".keep"
_EMPTY = Path(os.devnull)
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFile:
    """One file of a snapshot: where it is and its POSIX path below the project."""

    path: Path
    name: str


def list_files(root: Path, *, exclude: Sequence[str] = ()) -> list[SnapshotFile]:
    """List the files of a snapshot, in the order in which they are hashed.

    Each folder's `.amlignore`, or else its `.mlflowignore`, or else its `.gitignore`, names what
    stays behind; with one at the root alone the files are those that azure-ai-ml takes.
    Repositories' metadata, local MLflow stores, virtual and conda environments, caches of conda
    and pip, and emulators' state always stay behind. An empty folder is kept by an empty file.

    Args:
        root: The project's folder.
        exclude: Further rules as in an ignore file, which go before all others.

    Raises:
        ProjectError: The folder is empty, holds what cannot be read or named, or a symbolic link
            leaves it.
    """
    root = root.resolve()

    def walk(places: Places) -> Iterator[SnapshotFile]:
        return _listed(root, IgnoreRules(root, exclude=exclude, noted=places.note), places=places)

    found = recent_or((root, tuple(exclude)), walk)
    if all(file.path == _EMPTY for file in found):
        raise ProjectError(f"{root} has no file to upload.")
    return sorted(found, key=lambda file: file.name.lower())


def is_in_snapshot(path: Path, root: Path, *, exclude: Sequence[str] = ()) -> bool:
    """Tell whether a file, or a folder with all that can be in a snapshot, is part of it.

    Args:
        path: An existing file or folder below the project.
        root: The project's folder.
        exclude: As `list_files` takes it.
    """
    root = root.resolve()
    if path == root:
        return True
    names = {file.name for file in list_files(root, exclude=exclude)}
    name = path.relative_to(root).as_posix()
    if path.is_file():
        return name in names
    # Without an ignore file everything is in it.
    every = {f"{name}/{file.name}" for file in _listed(path, IgnoreRules(path, files=()), root)}
    return bool(every) and every <= names


def check_size(files: Iterable[SnapshotFile], *, max_bytes: int) -> None:
    """Refuse a snapshot that is larger than it may be.

    Args:
        files: Its files.
        max_bytes: The limit.

    Raises:
        ProjectError: It is larger; names the largest files.
    """
    sizes = [(_size(file), file.name) for file in files]
    total = sum(size for size, _ in sizes)
    if total <= max_bytes:
        return
    largest = sorted(sizes, key=lambda sized: (-sized[0], sized[1]))[:_NAMED]
    lines = "".join(f"\n  {shown_size(size):>9}  {name}" for size, name in largest)
    raise ProjectError(
        f"The project's snapshot would have {shown_size(total)}, and may have "
        f"{shown_size(max_bytes)}. Name what is no code in an .amlignore file or in "
        "`snapshot.exclude` of the backend config and pass data as a parameter of type path, or "
        f"raise `snapshot.max_size`. The largest files:{lines}"
    )


def _size(file: SnapshotFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError as error:
        raise ProjectError(f"{file.path} cannot be read: {error.strerror}.") from error


def _listed(
    folder: Path,
    rules: IgnoreRules,
    boundary: Path | None = None,
    *,
    places: Places | None = None,
) -> Iterator[SnapshotFile]:
    tree = _Tree(root=folder, boundary=boundary or folder, rules=rules, places=places or Places())
    try:
        yield from tree.walk(str(folder))
    except OSError as error:
        raise ProjectError(f"{error.filename} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """A folder whose files are listed; links may lead anywhere within the boundary."""

    root: Path
    boundary: Path
    rules: IgnoreRules
    places: Places

    def walk(
        self, folder: str, below: str = "", above: tuple[str, ...] = ()
    ) -> Iterator[SnapshotFile]:
        """Give the files of a folder.

        Args:
            folder: The folder.
            below: Its POSIX path below the root, which ends in a slash; nothing for the root.
            above: Where the folders lead that it is in.
        """
        real = os.path.realpath(folder)
        if real in above:
            raise ProjectError(
                f"{folder} is a symbolic link to a folder above it; remove it, or list it in "
                ".amlignore."
            )
        elsewhere = self._elsewhere(real, below)
        empty = True
        self.places.note(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                empty = False
                name = f"{below}{entry.name}"
                if entry.name in _NEVER or (
                    entry.is_symlink() and self._is_ignored_link(entry.path, name)
                ):
                    continue
                if entry.is_dir():
                    if not self.rules.ignore_all(f"{name}/") and not _is_marked(Path(entry.path)):
                        yield from self.walk(entry.path, f"{name}/", (*above, real))
                elif entry.is_file() and not self._is_ignored(name, elsewhere, entry.name):
                    yield SnapshotFile(path=Path(entry.path), name=as_text(name))
        if empty and below and not self._is_ignored(f"{below}{_KEEPER}", elsewhere, _KEEPER):
            yield SnapshotFile(path=_EMPTY, name=as_text(f"{below}{_KEEPER}"))

    def _is_ignored_link(self, path: str, name: str) -> bool:
        if self.rules.ignore(name) or self.rules.ignore(f"{name}/"):
            return True
        if not Path(os.path.realpath(path)).is_relative_to(self.boundary):
            raise ProjectError(
                f"{path} is a symbolic link that leaves the project; copy the file into it, or "
                "list the link in .amlignore and pass the data as a parameter."
            )
        return False

    def _elsewhere(self, real: str, below: str) -> str | None:
        """Give the path below the root that the link to a folder leads to, if one does."""
        if real == os.path.join(self.root, below).rstrip(os.sep):  # noqa: PTH118  # once a folder
            return None
        place = Path(real)
        if not place.is_relative_to(self.root):
            return None
        return f"{place.relative_to(self.root).as_posix()}/".removeprefix("./")

    def _is_ignored(self, name: str, elsewhere: str | None, file: str) -> bool:
        """Tell whether a file stays behind: by its name, or where the link to its folder leads."""
        if self.rules.ignore(name):
            return True
        real_name = name if elsewhere is None else f"{elsewhere}{file}"
        return real_name != name and self.rules.ignore(real_name)


def _is_marked(folder: Path) -> bool:
    """Tell whether what is in a folder says that it is no part of a project."""
    return any(
        name in {None, folder.name} and all((folder / mark).exists() for mark in marks)
        for name, marks in _MARKS
    )


def as_text(name: str) -> str:
    """Give a file's name, which storage wants as UTF-8.

    Raises:
        ProjectError: It is none.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ProjectError(f"{name!r}: the file's name is no UTF-8; rename it.") from error
    return name
