"""Whether anybody uses the emulator: what its idle end is decided by."""

from __future__ import annotations

import threading
import time


class Activity:
    """Count the requests under way and remember when the last one ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        """Count a request that begins."""
        with self._changed:
            self._under_way += 1

    def end(self) -> None:
        """Count a request that has ended."""
        with self._changed:
            self._under_way -= 1
            self._last = time.monotonic()
            if not self._under_way:
                self._changed.notify_all()

    def touch(self) -> None:
        """Count this moment as activity."""
        with self._changed:
            self._last = time.monotonic()

    def idle_seconds(self) -> float:
        """Say for how many seconds nothing was under way."""
        with self._changed:
            return 0.0 if self._under_way else time.monotonic() - self._last

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing is under way; False when that takes longer than so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)
