"""The history of a metric, small enough to be shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCurve:
    """What a metric did over a run.

    Args:
        points: How many were read.
        complete: Whether those are all.
        lowest: The lowest finite value, or None.
        highest: The highest one, or None.
        values: The curve, in at most `WIDTH` steps; None where nothing finite was logged.
    """

    points: int
    complete: bool
    lowest: float | None
    highest: float | None
    values: tuple[float | None, ...]

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "points": self.points,
            "complete": self.complete,
            "lowest": self.lowest,
            "highest": self.highest,
            "values": list(self.values),
        }


def curve_of(
    points: Iterable[tuple[int, int, float]], *, complete: bool = True, width: int = WIDTH
) -> MetricCurve:
    """Make the curve of a metric's points.

    Args:
        points: Step, time and value of each, in any order.
        complete: Whether those are all.
        width: In how many steps at most.
    """
    values = [value for *_, value in sorted(points, key=lambda point: point[:2])]
    finite = [value for value in values if math.isfinite(value)]
    count = min(width, len(values))
    bounds = [len(values) * number // count for number in range(count + 1)] if count else []
    return MetricCurve(
        points=len(values),
        complete=complete,
        lowest=min(finite, default=None),
        highest=max(finite, default=None),
        values=tuple(_mean(values[start:end]) for start, end in pairwise(bounds)),
    )


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    # Divided first: the sum of large values would not be finite.
    return sum(value / len(finite) for value in finite) if finite else None


def json_number(value: float) -> float | str:
    """Give a number as JSON has it, and as MLflow spells what JSON lacks: `NaN`, `Infinity`."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
