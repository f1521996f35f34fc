"""Contact with a service: how long it has been lost, and when to try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.errors import WorkspaceError

LOST_AFTER = 600.0
"""Seconds of nothing but failures after which contact counts as lost."""
_TOLD_AFTER = 5.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 15.0
_ASLEEP = 60.0


class Contact:
    """Keep account of the failures of one kind of request.

    Args:
        clock: Tells the seconds that pass.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: float | None = None
        self._last = 0.0
        self._pause = _FIRST_PAUSE
        self.error: WorkspaceError | None = None
        self.try_at = 0.0
        """The moment before which there is no use in asking again."""

    def heard(self) -> None:
        """Note that a request has succeeded."""
        self._since = self.error = None
        self._pause = _FIRST_PAUSE
        self.try_at = 0.0

    def failed(self, error: WorkspaceError) -> None:
        """Note that a request has failed, and decide when to try again.

        Args:
            error: Why; it may say when the service wants to be asked again.
        """
        now = self._clock()
        # A machine that slept was in contact with nobody, and failed at nothing.
        if self._since is None or now - self._last > self._pause + _ASLEEP:
            self._since = now
        self.error, self._last = error, now
        self.try_at = now + max(self._pause, error.retry_after or 0.0)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def still_alive(self) -> None:
        """Note that something else was heard of the job: the time of silence begins anew."""
        if self._since is not None:
            self._since = self._clock()

    @property
    def lost_for(self) -> float:
        """Seconds since the first of the failures, or 0."""
        return 0.0 if self._since is None else self._clock() - self._since

    @property
    def trouble(self) -> str | None:
        """What is wrong, once it has lasted for a few seconds."""
        if self.error is None or self.lost_for < _TOLD_AFTER:
            return None
        return str(self.error)
