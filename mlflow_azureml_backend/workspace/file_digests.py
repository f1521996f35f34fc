"""What the files of a snapshot hold, read once: the snapshot's digest, and an MD5 of each block."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mlflow_azureml_backend.workspace.changed_file import changed, reading

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from io import FileIO

    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile

BLOCK = 8 << 20
"""Bytes that are sent at once, and so the most of a file that is in memory for one thread."""

_WORTH_A_THREAD = 1 << 20


class FileState(NamedTuple):
    """What tells that a file is as it was: nobody can edit it and keep all of them."""

    size: int
    modified: int
    changed: int
    inode: int
    device: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """Read it from what the system tells; of a device, which stands for nothing, nothing."""
        if not stat.S_ISREG(found.st_mode):
            return cls(0, 0, 0, 0, 0)
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestedFile:
    """One file as it was read.

    Args:
        file: Which.
        state: Its state before it was read, which it still had afterwards.
        blocks: The MD5 of each `BLOCK` bytes; of a smaller file the one of all.
    """

    file: SnapshotFile
    state: FileState
    blocks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestedTree:
    """All files of a snapshot, in the order in which they are hashed, and their digest."""

    files: tuple[DigestedFile, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.state.size for each in self.files)


def digest_tree(
    files: Sequence[SnapshotFile], known: Mapping[str, DigestedFile] | None = None
) -> DigestedTree:
    """Read each file once, and compute the content hash that azure-ai-ml gives a code asset.

    SHA-256 over the number of files, then `#path#size` of each, then the content of each: the
    same tree uploaded with `az ml` is the same asset.

    Args:
        files: As `list_files` orders them.
        known: Name -> file of an earlier reading; the blocks of one that is as it was are not
            hashed again.

    Raises:
        ProjectError: A file has gone, cannot be read, or changed while it was.
    """
    states = []
    sha = hashlib.sha256(str(len(files)).encode())
    for file in files:
        with reading(file.path):
            states.append(FileState.of(file.path.stat()))
        sha.update(f"#{file.name}#{states[-1].size}".encode())
    read = []
    with ThreadPoolExecutor(1, thread_name_prefix="md5") as beside:
        for file, state in zip(files, states, strict=True):
            former = (known or {}).get(file.name)
            blocks = former.blocks if former is not None and former.state == state else None
            read.append(_read(file, state, sha, blocks, beside))
    return DigestedTree(files=tuple(read), digest=sha.hexdigest())


def blocks_of(file: SnapshotFile) -> tuple[bytes, ...]:
    """Read a file alone, and give the MD5 of each block.

    Raises:
        ProjectError: It cannot be read.
    """
    with reading(file.path):
        state = FileState.of(file.path.stat())
    return _read(file, state).blocks


def _read(
    file: SnapshotFile,
    state: FileState,
    sha: hashlib._Hash | None = None,
    blocks: tuple[bytes, ...] | None = None,
    beside: ThreadPoolExecutor | None = None,
) -> DigestedFile:
    """Read a file; `sha` takes it, and the MD5 of large blocks are made `beside` it."""
    found: list[bytes] = []
    with reading(file.path), file.path.open("rb", buffering=0) as stream:
        for start in range(0, state.size, BLOCK):
            piece = _piece(stream, min(BLOCK, state.size - start))
            apart = None
            if blocks is None and beside is not None and len(piece) >= _WORTH_A_THREAD:
                apart = beside.submit(_md5, piece)
            if sha is not None:
                sha.update(piece)
            if blocks is None:
                found.append(apart.result() if apart else _md5(piece))
        same = FileState.of(file.path.stat()) == state
    if not same:
        raise changed(file.path)
    return DigestedFile(file=file, state=state, blocks=tuple(found) if blocks is None else blocks)


def _md5(piece: bytes) -> bytes:
    return hashlib.md5(piece, usedforsecurity=False).digest()


def _piece(stream: FileIO, size: int) -> bytes:
    """Read so many bytes, or what there is of them."""
    piece = stream.read(size)
    while len(piece) < size and (rest := stream.read(size - len(piece))):
        piece += rest
    return piece
