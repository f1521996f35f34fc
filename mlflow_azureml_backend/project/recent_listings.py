"""The listings of folders that were made a moment ago, as long as nothing came or went.

A submission asks twice which files a project has: before anything is created, and when they are
uploaded; a hundred submissions of one project ask two hundred times. To look at its folders, which
change when an entry comes or goes, is much less than to walk them and decide on every name.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

_T = TypeVar("_T")
_State = tuple[int, int, int, int, int]

# Some file systems on a network note no change of a folder: they are believed for one submission.
_FRESH_SECONDS = 5.0
# As in git's index: what changed so lately may change again within one tick of the clock.
_RACY = 2_000_000_000  # nanoseconds
_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """What was found, when, and the state of all places that it was found by."""

    found: tuple[object, ...]
    at: float
    places: Mapping[str, _State]


class Places:
    """The folders that a listing looks into and the files that it reads, as they were before."""

    def __init__(self) -> None:
        self.states: dict[str, _State] = {}

    def note(self, path: str) -> None:
        """Note a place that is about to be looked at."""
        self.states[path] = _state(path)


_known: dict[Hashable, _Listing] = {}


def recent_or(key: Hashable, walk: Callable[[Places], Iterable[_T]]) -> list[_T]:
    """Give what was listed a moment ago, if that is sure to be what is there; else list it.

    Args:
        key: What is listed.
        walk: Lists it, and notes each place before it looks at it.
    """
    known = _known.get(key)
    if known is not None and time.monotonic() - known.at < _FRESH_SECONDS and _holds(known):
        return list(known.found)  # type: ignore[arg-type]  # the same walk found them
    at, begun, places = time.monotonic(), time.time_ns(), Places()
    found = list(walk(places))
    _known.pop(key, None)
    # On Windows the time of change is that of creation.
    if os.name != "nt" and all(_is_settled(each, begun) for each in places.states.values()):
        _known[key] = _Listing(found=tuple(found), at=at, places=places.states)
        for oldest in list(_known)[:-_MOST]:
            _known.pop(oldest, None)
    return found


def _holds(known: _Listing) -> bool:
    try:
        return all(_state(path) == state for path, state in known.places.items())
    except OSError:
        return False


def _is_settled(state: _State, begun: int) -> bool:
    return max(state[:2]) < begun - _RACY


def _state(path: str) -> _State:
    found = Path(path).stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
