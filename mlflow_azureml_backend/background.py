"""What is done in the background while something else is waited for."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


def begun(call: Callable[[], _T]) -> Future[_T]:
    """Begin a call in a thread of its own, which no exit of the process waits for.

    Args:
        call: What to do; it must leave nothing half done where it is cut off.

    Returns:
        What it gives or raises, when it has.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  # whoever asks for the result is told
            future.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return future
