"""What a request sees of a blob's content: all of it, unless a fault shows it otherwise."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Name the part of a blob's content that is taken for all of it.

    Args:
        start: its first byte.
        size: how many bytes it has.
    """

    start: int
    size: int


# Of the request that is being answered: the thread that answers it runs in its context.
_NARROWED: Final[ContextVar[Callable[[View], View] | None]] = ContextVar("blob_view", default=None)


def seen(size: int) -> View:
    """Say which part of a blob the request that is being answered takes for all of it.

    Args:
        size: how many bytes the blob has.
    """
    whole = View(start=0, size=size)
    narrow = _NARROWED.get()
    return whole if narrow is None else narrow(whole)


@contextmanager
def narrowed(narrow: Callable[[View], View]) -> Iterator[None]:
    """Let requests that are answered inside see less of blobs.

    Args:
        narrow: gets what they would see otherwise.
    """
    outer = _NARROWED.get()
    _NARROWED.set(narrow if outer is None else lambda view: outer(narrow(view)))
    try:
        yield
    finally:
        _NARROWED.set(outer)
