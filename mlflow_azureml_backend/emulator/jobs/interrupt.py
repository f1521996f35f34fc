"""A request to stop that ends whatever a worker waits for: time, a process, a node, a build."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Interrupt:
    """Let one thread tell another to stop waiting, once and for good.

    It is an event that can also be selected on, like a file, and that calls whom it is told to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._pipe: tuple[int, int] | None = None

    def set(self) -> None:
        """Interrupt; doing it again changes nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            if self._pipe is not None:
                os.write(self._pipe[1], b"!")
            callbacks = tuple(self._callbacks)
        for call in callbacks:
            call()

    def is_set(self) -> bool:
        """Tell whether it was interrupted."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for it, but not longer than so many seconds; True when it was interrupted."""
        return self._event.wait(seconds)

    def on_set(self, call: Callable[[], None]) -> None:
        """Call something when it is interrupted, or now if it was already.

        Args:
            call: is called once, in the thread that interrupts, and has to be quick.
        """
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(call)
                return
        call()

    def fileno(self) -> int:
        """Give a descriptor that is readable once it was interrupted; it is made when asked for."""
        with self._lock:
            # Many jobs wait for a node, and few have a process: only these need descriptors.
            if self._pipe is None:
                self._pipe = os.pipe()
                if self._event.is_set():
                    os.write(self._pipe[1], b"!")
            return self._pipe[0]

    def close(self) -> None:
        """Let go of the descriptors; it stays an event."""
        with self._lock:
            if self._pipe is not None:
                os.close(self._pipe[0])
                os.close(self._pipe[1])
                self._pipe = None
