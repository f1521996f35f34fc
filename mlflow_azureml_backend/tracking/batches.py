"""Requests of limited size."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")


def batches(
    items: Iterable[Item],
    size: int,
    *,
    weight: Callable[[Item], int] = lambda _item: 0,
    heaviest: int = 1,
) -> Iterator[list[Item]]:
    """Cut a sequence into lists of at most so many items, none of them empty.

    Args:
        items: What to cut; read as it is needed.
        size: The most items that a list has.
        weight: What an item weighs.
        heaviest: The most that a list weighs, unless it is of one item.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        weighs = weight(item)
        if batch and (len(batch) == size or total + weighs > heaviest):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += weighs
    if batch:
        yield batch
