"""A lock between processes that the system releases when its holder dies, however that happens."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RETRY_SECONDS: Final = 0.02

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextmanager
def exclusive(file: Path, *, seconds: float) -> Iterator[None]:
    """Hold a lock.

    Args:
        file: the file that stands for the lock; it stays behind, and says nothing.
        seconds: how long to wait for another holder.

    Raises:
        TimeoutError: another process held it all the time.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    # A child process does not inherit the handle, so it cannot hold the lock beyond its parent.
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{file} is held by another process.")
            time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(handle)
