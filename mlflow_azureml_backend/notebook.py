"""The card of a run that a notebook cell shows while it waits."""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BETWEEN_REFRESHES = 3.0


def in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this process; IPython on a terminal shows no HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class LiveCard:
    """HTML that a cell shows once and that changes in its place.

    Args:
        html: Gives the HTML as it should be now.
    """

    def __init__(self, html: Callable[[], str]) -> None:
        self._html = html
        self._handle: Any = None
        self._refreshed = 0.0

    def refresh(self, *, now: bool = False) -> None:
        """Show the card anew, at most every few seconds.

        Args:
            now: Whatever the time since the last refresh.
        """
        if not now and time.monotonic() - self._refreshed < _SECONDS_BETWEEN_REFRESHES:
            return
        shown = importlib.import_module("IPython.display")
        card = shown.HTML(self._html())
        if self._handle is None:
            self._handle = shown.display(card, display_id=True)
        else:
            self._handle.update(card)
        self._refreshed = time.monotonic()
