"""The digests of folders that were submitted before, kept by the state of their files.

A file that is edited without a trace in its size and its time of modification still gets another
time of change, which no program can set. As in git's index, a file that changed within two seconds
of being read is not believed: it may change again within one tick of the clock, and is read anew.
Windows knows no such time of change to Python, and nothing is kept there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.workspace.changed_file import reading
from mlflow_azureml_backend.workspace.file_digests import (
    DigestedFile,
    DigestedTree,
    FileState,
    blocks_of,
    digest_tree,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile

_RACY = 2_000_000_000  # nanoseconds
_MOST = 100
_FORMAT = 1


class DigestCache:
    """The digests that this user's machine remembers of one folder.

    Args:
        root: The folder.
        folder: Where to keep them; default: below the user's cache folder.
    """

    def __init__(self, root: Path, *, folder: Path | None = None) -> None:
        self._folder = folder or _cache_folder()
        self._name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._name}.json"

    def digested(self, files: Sequence[SnapshotFile]) -> DigestedTree:
        """Give what the files hold; those that are as they were are not read.

        Args:
            files: As `list_files` orders them.

        Raises:
            ProjectError: A file cannot be read, or changed while it was.
        """
        begun = time.time_ns()
        former = self._read()
        known = {name: _entry(entry) for name, entry in (former or {}).get("files", {}).items()}
        trusted = (former or {}).get("begun", 0) - _RACY
        same = former is not None and list(known) == [file.name for file in files]
        steady, found = {}, []
        for file in files if former else ():
            entry = known.get(file.name)
            if entry is None or _state(file) != entry.state:
                same = False
                continue
            entry = replace(entry, file=file)
            if max(entry.state.modified, entry.state.changed) >= trusted and (
                blocks_of(file) != entry.blocks
            ):
                same = False
                continue
            steady[file.name] = entry
            found.append(entry)
        if former is not None and same:
            tree = DigestedTree(files=tuple(found), digest=str(former["digest"]))
        else:
            tree = digest_tree(files, steady)
        self._write(tree, begun)
        return tree

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("format") == _FORMAT else None

    def _write(self, tree: DigestedTree, begun: int) -> None:
        if os.name == "nt":
            return
        document = {
            "format": _FORMAT,
            "begun": begun,
            "digest": tree.digest,
            "files": {
                each.file.name: [*each.state, b"".join(each.blocks).hex()] for each in tree.files
            },
        }
        temporary = self._file.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        # A folder that cannot be written, or a full disk, costs time and nothing else.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(json.dumps(document), encoding="utf-8")
            temporary.replace(self._file)
            self._prune()

    def _prune(self) -> None:
        kept = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-_MOST]:
            file.unlink(missing_ok=True)


def _entry(entry: list[Any]) -> DigestedFile:
    *state, blocks = entry
    data = bytes.fromhex(blocks)
    return DigestedFile(
        file=None,  # type: ignore[arg-type]  # the one of today is put there once it is the same
        state=FileState(*state),
        blocks=tuple(data[start : start + 16] for start in range(0, len(data), 16)),
    )


def _state(file: SnapshotFile) -> FileState:
    with reading(file.path):
        return FileState.of(file.path.stat())


def _cache_folder() -> Path:
    """Name the folder of this user, by the customs of the system."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "mlflow-azureml-backend" / "snapshots"
