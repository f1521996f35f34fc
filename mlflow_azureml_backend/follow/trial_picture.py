"""The picture of a sweep: parallel coordinates, one line a trial, as SVG.

It is written by hand, so that it looks the same everywhere and needs no plotting package.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.trials import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.sweep import Objective, Trial

_GAP, _HEIGHT, _MARGIN, _TOP = 170, 300, 90, 60
_MANY_TEXTS = 24
# Powers of ten between the smallest and the largest value, from which an axis is logarithmic.
_WIDE = 2.0
_WORST, _BEST = (68, 1, 84), (253, 180, 37)


class _Axis:
    """One axis: where its values are between 0 (bottom) and 1 (top), and what is written there."""

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.name = name
        numbers = [_number(value) for value in values]
        self._texts: list[str] = []
        if not numbers or any(number is None for number in numbers):
            self._texts = sorted(set(values))
            return
        known = [number for number in numbers if number is not None]
        low, high = min(known), max(known)
        self._log = low > 0 and math.log10(high / low) >= _WIDE
        self._low, self._high = self._scaled(low), self._scaled(high)

    def at(self, value: str) -> float:
        if self._texts:
            return (self._texts.index(value) + 0.5) / len(self._texts)
        if self._high == self._low:
            return 0.5
        return (self._scaled(float(value)) - self._low) / (self._high - self._low)

    def labels(self) -> list[tuple[float, str]]:
        if self._texts:
            shown = self._texts if len(self._texts) <= _MANY_TEXTS else []
            return [(self.at(text), shortened(text)) for text in shown]
        found = []
        for step in range(5):
            scaled = self._low + step / 4 * (self._high - self._low)
            number = math.exp(scaled) if self._log else scaled
            found.append((step / 4 if self._high > self._low else 0.5, f"{number:.4g}"))
        return found if self._high > self._low else found[:1]

    def _scaled(self, number: float) -> float:
        return math.log(number) if self._log else number


def parallel_coordinates(
    trials: Sequence[Trial],
    scores: Mapping[str, float],
    *,
    objective: Objective,
    names: Mapping[str, str],
    best: str | None,
) -> str:
    """Draw the trials that have a score: an axis for each parameter, and the metric's last.

    Args:
        trials: In the order in which they began.
        scores: The best value of the primary metric, by the trial's job.
        objective: What the sweep looked for.
        names: MLproject's names of the parameters, by those in the search space.
        best: The best trial's job, which is drawn thick.
    """
    shown = [trial for trial in trials if trial.job_name in scores]
    wire = list(dict.fromkeys(name for trial in shown for name in trial.values))
    rows = {
        trial.job_name: [
            *(trial.values.get(name, "") for name in wire),
            repr(scores[trial.job_name]),
        ]
        for trial in shown
    }
    titles = [*(names.get(name, name) for name in wire), objective.primary_metric]
    axes = [
        _Axis(title, [row[column] for row in rows.values()]) for column, title in enumerate(titles)
    ]
    width = 2 * _MARGIN + _GAP * (len(axes) - 1)
    height = _TOP + _HEIGHT + 30
    size = f'width="{width}" height="{height}"'
    caption = f"{len(shown)} trials, {objective.goal} {escape(objective.primary_metric)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect {size} fill="white"/>',
        f'<text x="10" y="20" font-size="14">{caption}</text>',
    ]
    # The best trial is drawn last, over the others.
    for trial in sorted(shown, key=lambda each: each.job_name == best):
        row = rows[trial.job_name]
        points = " ".join(
            f"{_x(column)},{_y(axis.at(row[column]))}" for column, axis in enumerate(axes)
        )
        good = axes[-1].at(row[-1])
        colour = _colour(good if objective.goal == "maximize" else 1 - good)
        stroke = 'stroke-width="3"' if trial.job_name == best else 'stroke-width="1.2"'
        title = escape(f"{trial.job_name}: {objective.primary_metric}={row[-1]}")
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" {stroke} opacity="0.85">'
            f"<title>{title}</title></polyline>"
        )
    for column, axis in enumerate(axes):
        parts.append(
            f'<line x1="{_x(column)}" y1="{_y(0)}" x2="{_x(column)}" y2="{_y(1)}" stroke="black"/>'
            f'<text x="{_x(column)}" y="{_TOP - 14}" text-anchor="middle" font-weight="bold">'
            f"{escape(shortened(axis.name))}</text>"
        )
        parts += [
            f'<text x="{_x(column) + 5}" y="{_y(position) + 4}">{escape(text)}</text>'
            for position, text in axis.labels()
        ]
    return "\n".join([*parts, "</svg>", ""])


def _x(column: int) -> int:
    return _MARGIN + _GAP * column


def _y(position: float) -> float:
    return round(_TOP + _HEIGHT * (1 - position), 1)


def _colour(share: float) -> str:
    mixed = (
        round(a + (b - a) * min(max(share, 0.0), 1.0)) for a, b in zip(_WORST, _BEST, strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
