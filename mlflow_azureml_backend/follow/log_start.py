"""Where the reading of a log begins, when not all of it is wanted."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlflow_azureml_backend.follow.display import LogLine

_BLOCK = 1 << 16
_MOST_UNDECIDED = 1 << 20
_TIME = re.compile(
    r"\W{0,2}(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?"
    r"\s?(Z|[+-]\d\d:?\d\d)?"
)


def tail_offset(read: Callable[[int, int], bytes], size: int, lines: int) -> int:
    """Find where the last lines of a file begin, from its end.

    Args:
        read: Reads from an offset so many bytes.
        size: How many bytes the file has.
        lines: How many lines are wanted; one without an end counts.
    """
    if lines == 0 or size == 0:
        return size
    # The line break at the very end ends the last line and begins none.
    wanted, end = lines, size - 1
    while end > 0:
        start = max(0, end - _BLOCK)
        block = read(start, end - start)[: end - start]
        count = block.count(b"\n")
        if count >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rindex(b"\n", 0, at)
            return start + at + 1
        wanted -= count
        end = start
    return 0


class Since:
    """Leave out the lines of a file before the first one that is not older than a moment.

    Args:
        moment: Lines from then on are wanted.
    """

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        self._begun = False
        self._older_seen = False
        # Lines before the first that carries a time: perhaps none of the file's does.
        self._undecided: list[LogLine] = []
        self._length = 0

    def chosen(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        """Give those lines that are wanted, as far as that is known."""
        for line in lines:
            if self._begun:
                yield line
                continue
            time = time_of(line.text)
            if time is not None and time < self._moment:
                self._older_seen = True
                self._undecided.clear()
            elif time is not None:
                yield from self.caught_up()
                yield line
            elif not self._older_seen:
                self._undecided.append(line)
                self._length += len(line.text) + 1
                if self._length > _MOST_UNDECIDED:
                    yield from self.caught_up()

    def caught_up(self) -> Iterator[LogLine]:
        """Give what was held back, and from now on every line: what comes is new."""
        self._begun = True
        held, self._undecided = self._undecided, []
        yield from held


def time_of(text: str) -> datetime | None:
    """Read the time that a line begins with, or None; one without a zone is UTC.

    Args:
        text: The line.
    """
    match = _TIME.match(text)
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        time = datetime.fromisoformat(f"{day}T{clock}.{fraction or '0':0<6}{_zone(zone)}")
    except ValueError:
        return None
    return time.astimezone(timezone.utc)


def _zone(text: str | None) -> str:
    if text is None or text == "Z":
        return "+00:00"
    return text if ":" in text else f"{text[:3]}:{text[3:]}"
