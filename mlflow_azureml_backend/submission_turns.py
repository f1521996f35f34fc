"""How many submissions of one process go on at the same time: the others wait for their turn.

A submission is a tenth of a second of this process's own time, and most of the rest are writes to
MLflow's store. More at once are no faster; but MLflow's pool of fifteen connections to a database
gives up on whoever waits for half a minute, and SQLite lets one write at a time.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")

MOST_AT_ONCE = 8
"""So many submissions go on at the same time."""

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


def in_turn(submit: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a function wait while as many calls as may be go on."""

    @functools.wraps(submit)
    def waiting(*args: _P.args, **options: _P.kwargs) -> _T:
        with _turns:
            return submit(*args, **options)

    return waiting


def _begin_anew() -> None:
    global _turns  # noqa: PLW0603  # the threads of a fork's parent never end in it
    _turns = threading.BoundedSemaphore(MOST_AT_ONCE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
