"""End a process with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 10.0
_LOOK_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, where the system can (Linux)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> frozenset[int]:
    """Give the processes that this one has started and that have not ended."""
    return frozenset(pid for pid, parent in _processes() if parent == os.getpid())


def end_tree(process: subprocess.Popen[bytes], *, spared: frozenset[int]) -> int:
    """Ask a process and all its descendants to end, and kill what is left after ten seconds.

    Args:
        process: The leader of a process group of its own.
        spared: What this process had started before, which is no part of it.

    Returns:
        Its exit code.
    """
    deadline = time.monotonic() + _PATIENCE
    number = signal.SIGTERM
    while True:
        left = _descendants(os.getpid(), spared)
        _signal(process.pid, left, number)
        while left and time.monotonic() < deadline:
            left = _descendants(os.getpid(), spared)
            time.sleep(_LOOK_SECONDS)
        if not left or number == signal.SIGKILL:
            return process.wait()
        number, deadline = signal.SIGKILL, time.monotonic() + _PATIENCE


def _signal(group: int, processes: set[int], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    # Those that made a group or session of their own.
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process) != group:
                os.kill(process, number)


def _descendants(root: int, spared: frozenset[int]) -> set[int]:
    """Give the processes below a process that have not ended, without some and those below them."""
    below_each: dict[int, set[int]] = defaultdict(set)
    for pid, parent in _processes():
        below_each[parent].add(pid)
    found: set[int] = set()
    below = below_each[root] - spared
    while below:
        found |= below
        below = {child for process in below for child in below_each[process]} - found
    return found


def _processes() -> Iterator[tuple[int, int]]:
    return _linux_table() if sys.platform == "linux" else _table()


def _linux_table() -> Iterator[tuple[int, int]]:
    """Give process and parent of all that live; the small images of containers have no `ps`."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                # The name in parentheses may hold anything, also parentheses.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in {"Z", "X"}:
                    yield int(entry.name), int(parent)


def _table() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True
    ) as listing:
        for line in listing.communicate()[0].splitlines():
            pid, parent, state = line.split()[:3]
            if not state.startswith("Z") and int(pid) != listing.pid:
                yield int(pid), int(parent)
