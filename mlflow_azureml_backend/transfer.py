"""Show what moves between this machine and the workspace's storage, while it moves."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Advance: TypeAlias = "Callable[[int, int], None]"
"""Told of further bytes and of further files that are there."""

# What is there sooner, nobody has to be told of.
_SECONDS_UNSEEN = 1.0
# A bar that would be gone before it could be read waits so long once more.
_SECONDS_TO_READ = 0.5


class Transfer:
    """Show a bar on the terminal for each transfer that takes longer than a second.

    Args:
        visible: Show anything at all.
    """

    def __init__(self, *, visible: bool) -> None:
        self._visible = visible and sys.stderr.isatty()

    @contextmanager
    def shown(self, what: str, size: int, *, files: int = 1) -> Iterator[Advance]:
        """Show a transfer until the block ends.

        Args:
            what: What is done, for people.
            size: Bytes in all.
            files: How many files they are in.

        Returns:
            To be told of further bytes and of further files, from any thread.
        """
        if not self._visible:
            yield lambda _bytes, _files: None
            return
        moving = _Moving(what, size, files)
        try:
            yield moving.advance
        finally:
            moving.end()


class _Moving:
    """One transfer, whose bar appears when it has taken long enough."""

    def __init__(self, what: str, size: int, files: int) -> None:
        self._what = what
        self._size = size
        self._files = files
        self._moved = 0
        self._done = 0
        self._bar: Any = None
        self._begun = time.monotonic()
        self._ended = False
        self._lock = threading.Lock()
        self._wait(_SECONDS_UNSEEN)

    def advance(self, count: int, files: int) -> None:
        """Note further bytes and files."""
        with self._lock:
            self._moved += count
            self._done += files
            if self._bar is not None:
                _bars.move(self._bar, self._moved, self._counted())

    def end(self) -> None:
        """Take the bar away, or see to it that it does not appear."""
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._bar is not None:
                _bars.remove(self._bar)

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._appear)
        self._timer.daemon = True
        self._timer.start()

    def _appear(self) -> None:
        with self._lock:
            if self._ended:
                return
            if self._moved > 0 and self._left() < _SECONDS_TO_READ:
                self._wait(_SECONDS_TO_READ)
                return
            self._bar = _bars.add(self._what, self._size)
            _bars.move(self._bar, self._moved, self._counted())

    def _counted(self) -> str:
        return f"{self._done:,}/{self._files:,} files" if self._files > 1 else ""

    def _left(self) -> float:
        """Guess for how many seconds it goes on."""
        taken = time.monotonic() - self._begun
        return taken * (self._size - self._moved) / self._moved


class _Bars:
    """The bars on this process's terminal: one display, whichever threads they are of."""

    def __init__(self) -> None:
        self._display: Any = None
        self._lock = threading.Lock()

    def add(self, what: str, size: int) -> Any:
        """Add a bar below those that are there."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        with self._lock:
            if self._display is None:
                columns = (
                    TextColumn("{task.description}", markup=False),
                    BarColumn(),
                    DownloadColumn(),
                    TextColumn("{task.fields[files]}"),
                )
                console = Console(stderr=True)
                self._display = Progress(
                    *columns, console=console, transient=True, refresh_per_second=4
                )
                self._display.start()
            return self._display.add_task(what, total=size, files="")

    def move(self, bar: Any, moved: int, files: str) -> None:
        """Show how many bytes and files are there."""
        with self._lock:
            self._display.update(bar, completed=moved, files=files)

    def remove(self, bar: Any) -> None:
        """Take a bar away, and the display with the last one."""
        with self._lock:
            self._display.remove_task(bar)
            if not self._display.task_ids:
                self._display.stop()
                self._display = None


_bars = _Bars()
