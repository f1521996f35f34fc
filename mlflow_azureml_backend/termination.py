"""The signals by which a terminal that is closed, or a CI runner, ends a process."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SHELLS_OFFSET = 128


@contextlib.contextmanager
def exit_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit inside the block, with a shell's code for them.

    A signal that somebody else handles, or ignores as `nohup` does, stays theirs. Outside of the
    main thread Python allows no handlers, and there is no such block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Windows has no SIGHUP.
    names = ("SIGTERM",) if sys.platform == "win32" else ("SIGTERM", "SIGHUP")
    numbers = [
        number
        for number in (getattr(signal, name) for name in names)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in numbers:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # signal's signature
    raise SystemExit(_SHELLS_OFFSET + number)
