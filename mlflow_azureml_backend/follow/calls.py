"""Waiting for calls beside the main thread, so that nothing holds up Ctrl-C."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, TypeVar

from mlflow_azureml_backend.background import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")
# How long Ctrl-C may take on Windows, where waiting for a lock cannot be interrupted.
_SLICE = 0.2


def first_of(futures: Collection[Future[T]], seconds: float) -> set[Future[T]]:
    """Wait until one of them is done, and give those that are; none when time is up.

    Args:
        futures: What to wait for.
        seconds: How long.
    """
    while futures:
        done, _ = wait(futures, max(0.0, min(seconds, _SLICE)), FIRST_COMPLETED)
        seconds -= _SLICE
        if done or seconds <= 0:
            return done
    return set()


def result_of(call: Callable[[], T], seconds: float) -> T:
    """Make a call and wait for its result.

    Args:
        call: What to do.
        seconds: How long to wait.

    Raises:
        TimeoutError: There was no result in time.
    """
    future = begin(call)
    if not first_of([future], seconds):
        raise TimeoutError
    return future.result()
