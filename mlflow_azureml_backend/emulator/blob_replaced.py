"""Files of blobs that are no more: they go when all who know of them have opened them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo

_READER_SECONDS: Final = 60.0


class ReplacedFiles:
    """Keep the files of replaced and deleted blobs for a while; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: deque[tuple[float, Path]] = deque()

    def add(self, former: BlobInfo | None) -> None:
        """Let a blob's file go after a while, and remove those whose time has come.

        Args:
            former: the blob; None when there was none.
        """
        now = time.monotonic()
        with self._lock:
            if former is not None:
                self._files.append((now, former.file))
            while self._files and self._files[0][0] < now - _READER_SECONDS:
                self._files.popleft()[1].unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove them all, when nobody reads any more."""
        with self._lock:
            while self._files:
                self._files.popleft()[1].unlink(missing_ok=True)
