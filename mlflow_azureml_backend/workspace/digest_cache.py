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
import threading
import time
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
        steady = {file.name: known for file in files if (known := former.of(file)) is not None}
        if former.names == tuple(steady) == tuple(file.name for file in files):
            tree = DigestedTree(files=tuple(steady.values()), digest=former.digest)
            if former.is_settled:
                self._note_use()
                return tree
        else:
            tree = digest_tree(files, steady)
        self._write(tree, begun)
        return tree

    def _read(self) -> _Memory:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            if found["format"] != _FORMAT:
                return _Memory({}, "", 0)
            entries = {name: _entry(entry) for name, entry in found["files"].items()}
            return _Memory(entries, str(found["digest"]), int(found["begun"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return _Memory({}, "", 0)

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
        self._replace(self._file, json.dumps(document))

    def keep(self, what: str, text: str) -> None:
        """Keep a further text on the folder.

        Args:
            what: Tells texts apart.
            text: The text; it is no secret.
        """
        if os.name != "nt":
            self._replace(self._place(what), text)

    def kept(self, what: str) -> str | None:
        """Give a text that was kept, or None."""
        try:
            return self._place(what).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def _place(self, what: str) -> Path:
        return self._folder / f"{self._name}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.json"

    def _replace(self, file: Path, text: str) -> None:
        temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        # A folder that cannot be written, or a full disk, costs time and nothing else.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file)
            self._prune()

    def _note_use(self) -> None:
        """Let those be forgotten first that were not used for long."""
        with contextlib.suppress(OSError):
            os.utime(self._file)

    def _prune(self) -> None:
        kept = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-_MOST]:
            file.unlink(missing_ok=True)


class _Memory:
    """What was read before, and when that began."""

    def __init__(
        self, entries: dict[str, tuple[FileState, tuple[bytes, ...]]], digest: str, begun: int
    ) -> None:
        self._entries = entries
        self._trusted = begun - _RACY
        self.names = tuple(entries)
        self.digest = digest

    @property
    def is_settled(self) -> bool:
        """Whether no file changed so shortly before that it has to be read again."""
        return all(max(state[1:3]) < self._trusted for state, _ in self._entries.values())

    def of(self, file: SnapshotFile) -> DigestedFile | None:
        """Give what a file held, if it is sure to hold it still."""
        if file.name not in self._entries:
            return None
        state, blocks = self._entries[file.name]
        if _state(file) != state:
            return None
        if max(state.modified, state.changed) >= self._trusted and blocks_of(file) != blocks:
            return None
        return DigestedFile(file=file, state=state, blocks=blocks)


def _entry(entry: list[Any]) -> tuple[FileState, tuple[bytes, ...]]:
    *state, blocks = entry
    data = bytes.fromhex(blocks)
    return FileState(*state), tuple(data[start : start + 16] for start in range(0, len(data), 16))


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
