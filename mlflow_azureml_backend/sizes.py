"""Sizes of files as people write them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(
    r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?P<binary>i?)B\s*", re.IGNORECASE
)
_STEP = 1000


def parse_size(text: str) -> int:
    """Read a size such as `300 MB` or `2 GiB` in bytes.

    Raises:
        ValueError: It is no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None or (found["binary"] and not found["unit"]):
        raise ValueError(text)
    power = _UNITS[found["unit"].upper()] if found["unit"] else 0
    return int(float(found["number"]) * (1024 if found["binary"] else _STEP) ** power)


def shown_size(size: float) -> str:
    """Spell a size in bytes for people: `1.2 GB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} TB"
