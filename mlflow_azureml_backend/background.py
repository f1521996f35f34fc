"""Calls beside the main thread, which go on while something else is done or waited for."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def begin(call: Callable[[], T]) -> Future[T]:
    """Start a call on a thread of its own, which no exit of the process waits for.

    A look-up of a host's name and a read from a dead connection cannot be interrupted; a thread
    that does them can be left behind. It has the caller's context.

    Args:
        call: What to do; it must leave nothing half done where it is cut off.

    Returns:
        What it gives or raises, when it has.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is wanted
            future.set_exception(error)
        else:
            future.set_result(result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="background", daemon=True).start()
    return future
