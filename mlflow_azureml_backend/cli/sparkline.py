"""Curves in a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-~=+*#"


def sparkline(values: Sequence[float | None], *, encoding: str | None) -> str:
    """Draw a curve with one character a value, a space where there is none.

    Args:
        values: The curve.
        encoding: The terminal's; where it has no blocks, ASCII stands for them.
    """
    levels = _BLOCKS if _can_write(_BLOCKS, encoding) else _ASCII
    there = [value for value in values if value is not None]
    if not there:
        return ""
    low, high = min(there), max(there)
    # Halved, as the difference of two large values is not finite.
    span = high / 2 - low / 2
    return "".join(
        " "
        if value is None
        else levels[3]
        if not span
        else levels[round((value / 2 - low / 2) / span * (len(levels) - 1))]
        for value in values
    )


def _can_write(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
