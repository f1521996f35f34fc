"""Read moments as people type them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import click

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_since(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Read the value of an option as a moment, with its zone.

    Args:
        context: Click's.
        parameter: The option.
        text: So long ago (`90s`, `10m`, `1h30m`, `2d`), or an ISO 8601 time; one without a zone is
            this machine's.

    Raises:
        click.BadParameter: It is neither.
    """
    if text is None:
        return None
    try:
        if text and not _AGO.sub("", text):
            ago = sum(float(number) * _SECONDS[unit] for number, unit in _AGO.findall(text))
            return datetime.now(timezone.utc) - timedelta(seconds=ago)
        # Before Python 3.11 `Z` is not read.
        found = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is neither like `10m` or `1h30m` nor an ISO 8601 time.",
            ctx=context,
            param=parameter,
        ) from None
