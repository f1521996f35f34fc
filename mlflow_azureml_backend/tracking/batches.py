"""Requests of limited size."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a sequence into lists of at most so many items, none of them empty.

    Args:
        items: What to cut; read as it is needed.
        size: The most items that a list has.
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
