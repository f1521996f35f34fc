"""Wait for the ends of several runs at once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import QuotaError, UnavailableError
from mlflow_azureml_backend.runs.state import RunState, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow_azureml_backend.job import JobStatus
    from mlflow_azureml_backend.runs.reference import FoundRun

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
LOST_CONTACT_SECONDS = 600.0
_GROWTH = 1.3


class Waited(Protocol):
    """What waiting needs of a submitted run."""

    @property
    def job_status(self) -> JobStatus:
        """The job's status, asked for now."""

    def get_status(self) -> str:
        """Complete the MLflow run when the job has ended."""


@dataclass(kw_only=True)
class _Wait:
    found: FoundRun
    run: Waited
    last_contact: float
    status: JobStatus | None = None
    trouble: str | None = None
    over: bool = field(default=False)


def wait_for_all(
    runs: Sequence[tuple[FoundRun, Waited]],
    *,
    timeout: float | None = None,
    on_change: Callable[[RunState], None] = lambda _state: None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[RunState]:
    """Look at runs until each has ended, and complete the MLflow runs of those that have.

    No log is read. Trouble with the network or the service is waited out; the jobs go on.

    Args:
        runs: What to wait for.
        timeout: Seconds after which the waiting ends all the same, or None.
        on_change: Called with each new status of each run.
        pause: Waits so many seconds; the hook for tests that must not sleep.
        clock: Tells the seconds that pass, for those tests as well.

    Returns:
        How each stood at the end, in the given order. One without a terminal status had not ended
        at the timeout, or was out of contact for ten minutes; its `error` says so.

    Raises:
        AzureMLBackendError: A run cannot be looked at for another reason than trouble on the way,
            for instance because its job was deleted.
    """
    started = clock()
    waits = [_Wait(found=found, run=run, last_contact=started) for found, run in runs]
    interval = FIRST_PAUSE
    while True:
        news = False
        for wait in waits:
            if not wait.over:
                news |= _look(wait, clock, on_change)
        if all(wait.over for wait in waits):
            break
        left = None if timeout is None else timeout - (clock() - started)
        if left is not None and left <= 0:
            break
        interval = FIRST_PAUSE if news else min(interval * _GROWTH, LONGEST_PAUSE)
        pause(interval if left is None else min(interval, left))
    return [_state(wait) for wait in waits]


def _look(wait: _Wait, clock: Callable[[], float], on_change: Callable[[RunState], None]) -> bool:
    try:
        status = wait.run.job_status
        if status.is_terminal:
            wait.run.get_status()
    except (UnavailableError, QuotaError) as error:
        silence = clock() - wait.last_contact
        wait.over = silence > LOST_CONTACT_SECONDS
        wait.trouble = f"No contact for {silence / 60:.0f} minutes: {error}"
        return False
    wait.last_contact, wait.trouble = clock(), None
    news = status is not wait.status
    wait.status, wait.over = status, status.is_terminal
    if news:
        on_change(_state(wait))
    return news


def _state(wait: _Wait) -> RunState:
    error = wait.trouble or getattr(getattr(wait.run, "outcome", None), "error", None)
    return state_of(wait.found, wait.status, error=error)
