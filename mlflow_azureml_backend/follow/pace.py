"""How often a service is asked: soon while something happens, seldom while nothing does."""

from __future__ import annotations

SHORTEST = 0.5
STEADY = 1.0
LONGEST = 15.0
_FRESH = 10.0
_FLOWING = 1.5
_LONGEST_WHILE_FLOWING = 5.0
# What comes after a silence is seen after at most a quarter of the silence.
_PART = 0.25


def read_pause(silence: float, age: float) -> float:
    """Say how many seconds after a read of a log file the next one follows.

    Args:
        silence: Seconds since the file had something new.
        age: Seconds since the job is followed: at first everything goes faster.
    """
    return min(max(silence * _PART, SHORTEST if age < _FRESH else STEADY), LONGEST)


def look_pause(silence: float, unchanged: float) -> float:
    """Say how many seconds after a look at the job the next one follows.

    While lines flow, looks only serve to learn of the status and of new files.

    Args:
        silence: Seconds since any log file had something new.
        unchanged: Seconds since the job changed its status or got another log file.
    """
    if silence < _FLOWING:
        return min(max(unchanged * _PART, SHORTEST), _LONGEST_WHILE_FLOWING)
    return min(max(min(silence, unchanged) * _PART, SHORTEST), LONGEST)
