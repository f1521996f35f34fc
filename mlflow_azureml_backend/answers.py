"""What was asked of a service: answers that hold for a while, each asked for once."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Answers:
    """Remember answers; any number of threads may ask, and those that ask the same ask once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._asked: dict[tuple[str, ...], Future[Any]] = {}
        self._lock = threading.Lock()

    def give(self, question: tuple[str, ...], ask: Callable[[], _T], *, seconds: float) -> _T:
        """Give what was answered lately, or ask.

        Who asks what somebody is asking already waits for that answer, and shares its failure: a
        hundred who wait for a service that is away would else wait for it one after another. What
        failed is asked again by who comes next.

        Args:
            question: Names what is asked.
            ask: Asks; it must not ask the same question itself.
            seconds: For how long the answer holds.
        """
        while True:
            with self._lock:
                since, answer = self._known.get(question, (-math.inf, None))
                if time.monotonic() - since < seconds:
                    return cast("_T", answer)
                coming = self._asked.get(question)
                if coming is None:
                    own = self._asked[question] = Future()
                    break
            try:
                return cast("_T", coming.result())
            except CancelledError:  # whoever asked was interrupted, which is nobody else's affair
                continue
        return self._answer(question, ask, own)

    def _answer(self, question: tuple[str, ...], ask: Callable[[], _T], own: Future[Any]) -> _T:
        try:
            answer = ask()
        except BaseException as error:
            with self._lock:
                del self._asked[question]
            if isinstance(error, Exception):
                own.set_exception(error)
            else:
                own.cancel()
            raise
        with self._lock:
            self._known[question] = time.monotonic(), answer
            del self._asked[question]
        own.set_result(answer)
        return answer
