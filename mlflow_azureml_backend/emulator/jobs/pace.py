"""How fast jobs go on: for how long they stay at each status, or that somebody steps them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_KIND: Final = "pace"
_LONGEST_WAIT: Final = 3600.0  # the system's clocks do not take any number
# How long these last is up to the job, unless it is said for them alone.
_OF_THEIR_OWN: Final = frozenset({JobStatus.RUNNING, JobStatus.CANCEL_REQUESTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Say how fast the jobs of one workspace go on.

    Args:
        held: they stay at every status until they are advanced, one by one.
        seconds: how long they stay at each transitional status that is not named below.
        of_status: how long they stay at single ones, at least.
    """

    held: bool
    seconds: float
    of_status: Mapping[JobStatus, float] = field(default_factory=dict)

    def dwell(self, status: JobStatus) -> float:
        """Give the seconds that a job stays at a status."""
        return self.of_status.get(status, 0.0 if status in _OF_THEIR_OWN else self.seconds)


class Paces:
    """Keep the pace of every workspace, across restarts; may be used from any thread.

    Args:
        state: where they are kept.
        seconds: the dwell time of workspaces that were given none.
    """

    def __init__(self, state: State, seconds: float) -> None:
        self._state = state
        self._seconds = seconds
        self._changed = threading.Condition()
        self._known: dict[str, Pace] = {}
        self._permits: dict[tuple[str, str], JobStatus] = {}
        self._frozen: set[tuple[str, str]] = set()

    def of(self, workspace: WorkspaceKey) -> Pace:
        """Give the pace of a workspace."""
        key = workspace.storage_key
        with self._changed:
            if key not in self._known:
                self._known[key] = self._read(key)
            return self._known[key]

    def change(self, workspace: WorkspaceKey, pace: Pace) -> None:
        """Set the pace of a workspace; jobs that wait go by it at once.

        Args:
            workspace: the workspace.
            pace: the new pace.
        """
        body = {
            "held": pace.held,
            "seconds": pace.seconds,
            "of_status": {status.value: seconds for status, seconds in pace.of_status.items()},
        }
        self._state.put(_KIND, workspace.storage_key, "pace", "", body)
        with self._changed:
            self._known[workspace.storage_key] = pace
            self._changed.notify_all()

    def permit(self, workspace: WorkspaceKey, job: str, status: JobStatus) -> None:
        """Let a job of a held workspace go on as far as to a status.

        Args:
            workspace: the job's workspace.
            job: the job's name.
            status: where it may go, and stay then.
        """
        with self._changed:
            self._permits[workspace.storage_key, job] = status
            self._changed.notify_all()

    def freeze(self, workspace: WorkspaceKey, job: str, *, frozen: bool) -> None:
        """Keep a job where it is, whatever the pace, or let it go on again.

        Args:
            workspace: the job's workspace.
            job: the job's name.
            frozen: whether it stays.
        """
        key = workspace.storage_key, job
        with self._changed:
            (self._frozen.add if frozen else self._frozen.discard)(key)
            self._changed.notify_all()

    def forget(self, workspace: WorkspaceKey, job: str) -> None:
        """Forget what was said of a job that has ended."""
        with self._changed:
            self._permits.pop((workspace.storage_key, job), None)
            self._frozen.discard((workspace.storage_key, job))

    def stay(
        self, workspace: WorkspaceKey, job: str, status: JobStatus, leave: Callable[[], bool]
    ) -> None:
        """Stay at a status for as long as the pace wants it.

        Args:
            workspace: the job's workspace.
            job: the job's name.
            status: where it is.
            leave: tells that there is no time to stay; who changes that calls `look_again`.
        """
        begun, key = time.monotonic(), (workspace.storage_key, job)
        with self._changed:
            while not leave():
                pace = self.of(workspace)
                if pace.held or key in self._frozen:
                    permit = self._permits.get(key)
                    if key not in self._frozen and permit and status.precedes(permit):
                        return
                    self._changed.wait()
                elif (left := begun + pace.dwell(status) - time.monotonic()) > 0:
                    self._changed.wait(min(left, _LONGEST_WAIT))
                else:
                    return

    def look_again(self) -> None:
        """Let everybody who stays ask again whether to leave."""
        with self._changed:
            self._changed.notify_all()

    def _read(self, key: str) -> Pace:
        found = self._state.get(_KIND, key, "pace")
        if found is None:
            return Pace(held=False, seconds=self._seconds)
        of_status = {JobStatus(name): seconds for name, seconds in found.body["of_status"].items()}
        return Pace(held=found.body["held"], seconds=found.body["seconds"], of_status=of_status)
