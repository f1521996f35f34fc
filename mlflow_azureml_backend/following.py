"""Follow a job in a thread of its own, so that a Ctrl-C hits nothing but the waiting."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow import Follower

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.follow import Display, JobService, LogSelection
    from mlflow_azureml_backend.job import JobDetails, RunOutcome

# Windows lets no Ctrl-C through to a wait that has no end of its own.
_TICK = 0.5
_LAST_LOOK_SECONDS = 1.0


class _Stopped(BaseException):
    """Ends a follower between two looks, where nothing is half done."""


class Following:
    """One follower, which any number of threads wait for.

    Python raises KeyboardInterrupt in the main thread between any two instructions: in the middle
    of a chunk of log lines or of a request to the MLflow store, both of which would be lost. The
    follower therefore works in a thread, and goes on where it was when somebody waits again.

    Args:
        service: Where the job is.
        job_name: The job.
        display: Where its lines go.
        selection: Which lines are shown.
        queue_timeout: Seconds after which a job that has not started is cancelled, or None.
        link: Link to the job's page, for the display.
        on_look: Called after each look.
        on_end: Called once, when the job has ended and its log has been shown.
    """

    def __init__(
        self,
        service: JobService,
        job_name: str,
        display: Display,
        *,
        selection: LogSelection,
        queue_timeout: float | None,
        link: str | None,
        on_look: Callable[[JobDetails], None],
        on_end: Callable[[RunOutcome], None],
    ) -> None:
        self._follower = Follower(
            service,
            job_name,
            display,
            selection=selection,
            queue_timeout=queue_timeout,
            link=link,
            pause=self._pause,
        )
        self._display = display
        self._on_look = on_look
        self._on_end = on_end
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._resting = threading.Event()
        self._resting.set()
        self._outcome: RunOutcome | None = None
        self._error: BaseException | None = None

    def wait(self, on_tick: Callable[[], None]) -> RunOutcome:
        """Return when the job has ended.

        Args:
            on_tick: Called in this thread, twice a second.

        Raises:
            FollowError: Contact was lost; the job goes on.
            TrackingError: The MLflow run could not be completed.
        """
        while True:
            self._start()
            try:
                while not self._resting.wait(_TICK):
                    on_tick()
            except BaseException:  # KeyboardInterrupt, or a signal's SystemExit
                self.stop()
                raise
            with self._lock:
                error, self._error = self._error, None
            if error is not None:
                raise error
            if self._outcome is not None:
                return self._outcome

    def stop(self) -> None:
        """Let the follower rest, if it can within a second; whoever waits wakes it again."""
        self._stop.set()
        self._resting.wait(_LAST_LOOK_SECONDS)

    def _start(self) -> None:
        with self._lock:
            self._stop.clear()
            if self._resting.is_set() and self._outcome is None and self._error is None:
                self._resting.clear()
                # With the caller's context: a notebook finds the cell to print to by it.
                context = contextvars.copy_context()
                threading.Thread(
                    target=context.run, args=(self._follow,), name="mlflow-azureml", daemon=True
                ).start()

    def _follow(self) -> None:
        try:
            outcome = self._follower.follow(self._looked)
            self._on_end(outcome)
        except _Stopped:
            self._display.rest()
        except BaseException as error:  # noqa: BLE001  # raised again where somebody waits
            self._error = error
        else:
            self._outcome = outcome
        finally:
            self._resting.set()

    def _looked(self, details: JobDetails) -> None:
        self._on_look(details)
        self._pause(0)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped
