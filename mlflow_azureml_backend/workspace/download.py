"""Download a job's files: in parallel, resumed where an earlier download broke off, checked."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

from mlflow_azureml_backend.errors import (
    AzureMLBackendError,
    ForbiddenError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.local_file import (
    CHUNK,
    DownloadedFile,
    FileState,
    is_same,
    target_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from mlflow_azureml_backend.workspace.run_files import RunFile

_FILES_AT_ONCE = 8
_CHUNKS_AT_ONCE = 8
_CHUNKS_AHEAD = 4
_TRIES = 5
_LONGEST_PAUSE = 8.0


class _ChangedError(Exception):
    """The file is another by now."""


def download_files(
    files: Sequence[RunFile],
    dest: Path,
    *,
    progress: Callable[[int], None] = lambda _count: None,
    pause: Callable[[float], None] = time.sleep,
) -> list[DownloadedFile]:
    """Bring files to a folder; what an earlier download left there is not read again.

    A file is read into `NAME.VERSION.part` and renamed when all of it is there and its digest is
    right, so that a file under its own name is always whole. An existing file of the same content
    stays as it is; another one is replaced.

    Args:
        files: What to download.
        dest: The folder; nothing is written outside it.
        progress: Called with the number of bytes that came to be there, from any thread.
        pause: Waits so many seconds between tries.

    Returns:
        What became of each file, in the order of `files`. One file's failure stops no other.
    """
    stopped = threading.Event()
    with (
        ThreadPoolExecutor(_CHUNKS_AT_ONCE, thread_name_prefix="chunk") as chunks,
        ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="download") as pool,
    ):

        def one(file: RunFile) -> DownloadedFile:
            transfer = _Transfer(file, dest, chunks, progress, pause, stopped)
            try:
                return transfer.run()
            except (AzureMLBackendError, OSError) as error:
                told = str(error) if isinstance(error, AzureMLBackendError) else _words(error)
                return DownloadedFile(
                    path=file.path,
                    size=file.size,
                    state=FileState.FAILED,
                    read=transfer.read,
                    error=told,
                )

        futures = [pool.submit(one, file) for file in files]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # Ctrl-C: what has been read stays for the next time.
            stopped.set()
            for future in futures:
                future.cancel()
            raise


class _Transfer:
    """Bring one file here."""

    def __init__(
        self,
        file: RunFile,
        dest: Path,
        chunks: ThreadPoolExecutor,
        progress: Callable[[int], None],
        pause: Callable[[float], None],
        stopped: threading.Event,
    ) -> None:
        self.read = 0
        self._file = file
        self._dest = dest
        self._chunks = chunks
        self._progress = progress
        self._pause = pause
        self._stopped = stopped
        self._blob: Any = None
        self._blob_lock = threading.Lock()

    def run(self) -> DownloadedFile:
        file, target = self._file, target_of(self._file.path, self._dest)
        if is_same(target, file):
            self._progress(file.size)
            return DownloadedFile(path=file.path, size=file.size, state=FileState.PRESENT)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{_short(file.version)}.part")
        resumed = part.exists() and 0 < part.stat().st_size <= file.size
        digest = self._into(part, resumed=resumed)
        if file.md5 is not None and digest != file.md5:
            part.unlink()
            if resumed:  # what was there before was not what it should have been
                self._progress(-file.size)
                return self.run()
            raise WorkspaceError(f"'{file.path}' did not arrive as it is in storage (MD5).")
        if file.modified is not None:
            os.utime(part, (file.modified.timestamp(), file.modified.timestamp()))
        part.replace(target)
        for older in target.parent.glob(f"{_literal(target.name)}.????????.part"):
            older.unlink(missing_ok=True)
        state = FileState.RESUMED if resumed else FileState.DOWNLOADED
        return DownloadedFile(path=file.path, size=file.size, state=state, read=self.read)

    def _into(self, part: Path, *, resumed: bool) -> bytes:
        """Complete a partial file; give the MD5 of all of it."""
        digest = hashlib.md5(usedforsecurity=False)
        with part.open("r+b" if resumed else "w+b") as stream:
            while piece := stream.read(CHUNK):
                digest.update(piece)
                self._progress(len(piece))
            for chunk in self._following(stream):
                stream.write(chunk)
                digest.update(chunk)
                self.read += len(chunk)
                self._progress(len(chunk))
        return digest.digest()

    def _following(self, stream: BinaryIO) -> Iterator[bytes]:
        """Give what is missing, in order, with some chunks read ahead."""
        offsets = iter(range(stream.tell(), self._file.size, CHUNK))
        ahead: deque[Future[bytes]] = deque()
        try:
            while True:
                while len(ahead) < _CHUNKS_AHEAD and (offset := next(offsets, None)) is not None:
                    ahead.append(self._chunks.submit(self._chunk, offset))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def _chunk(self, offset: int) -> bytes:
        size = min(CHUNK, self._file.size - offset)
        for attempt in range(_TRIES):
            if self._stopped.is_set():
                raise UnavailableError("The download was interrupted.")
            blob = self._client()
            try:
                return self._range(blob, offset, size)
            except _ChangedError:
                raise WorkspaceError(
                    f"'{self._file.path}' changed while it was downloaded. Run the download again."
                ) from None
            except ForbiddenError:
                # The signature in the URL has ended.
                self._renew(blob)
                if attempt == _TRIES - 1:
                    raise
            except WorkspaceError:
                if attempt == _TRIES - 1:
                    raise
            self._pause(min(0.5 * 2**attempt, _LONGEST_PAUSE))
        raise AssertionError  # pragma: no cover  # the last try returns or raises

    def _range(self, blob: Any, offset: int, size: int) -> bytes:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        condition = {}
        if self._file.is_fixed:
            condition = {
                "etag": self._file.version,
                "match_condition": MatchConditions.IfNotModified,
            }
        with service_errors(f"downloading '{self._file.path}'"):
            try:
                stream = blob.download_blob(offset=offset, length=size, **condition)
                content = bytes(stream.readall())
            except ResourceModifiedError:
                raise _ChangedError from None
        if len(content) != size:
            raise UnavailableError(f"'{self._file.path}': {len(content)} of {size} bytes came.")
        return content

    def _client(self) -> Any:
        with self._blob_lock:
            if self._blob is None:
                self._blob = self._file.blob()
            return self._blob

    def _renew(self, used: Any) -> None:
        with self._blob_lock:
            if self._blob is used:
                self._blob = None


def _short(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()[:8]


def _literal(name: str) -> str:
    """Write a name so that `glob` takes it as it is."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _words(error: OSError) -> str:
    if error.filename is None:
        return f"It cannot be written: {error.strerror or error}."
    return f"{error.filename} cannot be written: {error.strerror}."
