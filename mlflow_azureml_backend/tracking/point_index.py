"""Which points of a metric have been seen, in eight bytes each."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from bisect import bisect_left

Point = tuple[float, int, int]
"""Value, timestamp in milliseconds and step of a metric's point."""

_PACKED = struct.Struct("<dqq")
_MERGED_AT = 65_536
_LARGEST = sys.float_info.max
_NAN = _PACKED.pack(math.nan, 0, 0)[:8]


class PointIndex:
    """Remember points, a million of them in eight megabytes.

    What is remembered is a keyed 64-bit hash: among a million points, two that differ are taken
    for the same one in fewer than one of ten million histories.

    NaN is the same as NaN, and infinity as the largest number, which a SQL store makes of it.
    """

    def __init__(self) -> None:
        self._sorted = array("q")
        self._recent: set[int] = set()

    def add(self, point: Point) -> bool:
        """Remember a point; tell whether it is new."""
        mark = _mark(point)
        if mark in self._recent:
            return False
        place = bisect_left(self._sorted, mark)
        if place < len(self._sorted) and self._sorted[place] == mark:
            return False
        self._recent.add(mark)
        if len(self._recent) >= _MERGED_AT:
            # Two sorted parts: Python's sort merges them in one pass.
            self._sorted = array("q", sorted([*self._sorted, *sorted(self._recent)]))
            self._recent.clear()
        return True


def _mark(point: Point) -> int:
    value, timestamp, step = point
    if math.isnan(value):
        return hash(_NAN + _PACKED.pack(0.0, timestamp, step))
    # Zero has one sign.
    value = max(-_LARGEST, min(_LARGEST, value)) + 0.0
    return hash(_PACKED.pack(value, timestamp, step))
