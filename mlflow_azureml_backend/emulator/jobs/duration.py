"""Durations as Azure ML writes them: ISO 8601, down to the second."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def parse_duration(text: str) -> timedelta:
    """Read a duration, for example `PT1H30M`.

    Args:
        text: the duration; years and months, which have no fixed length, are not taken.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    parts = {} if found is None else {k: float(v) for k, v in found.groupdict().items() if v}
    if not parts:
        raise ValueError(f"'{text}' is not an ISO 8601 duration such as 'PT30M'.")
    return timedelta(**parts)
