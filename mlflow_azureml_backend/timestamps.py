"""The service's timestamps, which have up to seven digits of a second."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_FRACTION = re.compile(r"\.\d+")


def instant(text: str | None) -> datetime | None:
    """Read a timestamp; None where there is none, or none that can be read.

    Args:
        text: Such as `2026-11-22T09:14:11.1234567Z`.
    """
    if not text:
        return None
    six_digits = _FRACTION.sub(lambda match: f"{match[0][:7]:0<7}", text.replace("Z", "+00:00"))
    try:
        found = datetime.fromisoformat(six_digits)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
