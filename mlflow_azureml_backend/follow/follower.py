"""Follow one job to its end: look, read what is new, wait, look again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import WorkspaceError
from mlflow_azureml_backend.follow.calls import first_of, result_of
from mlflow_azureml_backend.follow.contact import LOST_AFTER
from mlflow_azureml_backend.follow.display import Progress
from mlflow_azureml_backend.follow.ending import outcome_of
from mlflow_azureml_backend.follow.log_reader import LogReader
from mlflow_azureml_backend.follow.looks import Looks, age_of
from mlflow_azureml_backend.follow.pace import SHORTEST, look_pause
from mlflow_azureml_backend.follow.phases import Phases, seconds_between
from mlflow_azureml_backend.follow.selection import LogSelection, is_image_build
from mlflow_azureml_backend.follow.situation import Situation
from mlflow_azureml_backend.follow.step_lines import StepLines
from mlflow_azureml_backend.pipeline import split_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.display import Display
    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import JobDetails, JobStatus, RunOutcome, RunSummary

T = TypeVar("T")
_EVERYTHING = LogSelection()
_TICK = 1.0
# How long a look waits for answers: what hangs is waited for beside the rest.
_PATIENCE = 1.0
_SUMMARY_SECONDS = 20.0
_SHORTEST_WAIT = 0.05
# Who wants to see what a log holds now does not wait for a service that is down.
_SHOW_SECONDS = 10.0


class Follower:
    """Show a job's status and log lines until it has ended.

    Every byte of every log file that is wanted is read once, by its offset. Failures of the
    network or the service are waited out; the job does not depend on us. All requests are made on
    threads of their own, so that a hanging one holds up neither the others nor Ctrl-C. A follower
    that was interrupted can go on: `follow` again shows what has not been shown yet.

    Args:
        service: Where the job is.
        job_name: The job.
        display: Where its lines go.
        selection: Which lines are shown.
        queue_timeout: Seconds after which a job that has not started is cancelled, or None.
        link: Link to the job's page, for the display.
        lost_after: Seconds of nothing but failures after which contact counts as lost.
        pause: Waits so many seconds, or none; what it raises ends the following where it can go
            on later. Called at least once a second, also while a request hangs.
        clock: Tells the seconds that pass, for those tests as well.
    """

    def __init__(
        self,
        service: JobService,
        job_name: str,
        display: Display,
        *,
        selection: LogSelection = _EVERYTHING,
        queue_timeout: float | None = None,
        link: str | None = None,
        lost_after: float = LOST_AFTER,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._job_name = job_name
        self._display = display
        self._queue_timeout = queue_timeout
        self._link = link
        self._pause = pause
        self._clock = clock
        self._logs = LogReader(
            service, display, selection=selection, lost_after=lost_after, clock=clock
        )
        self._looks = Looks(service, job_name, lost_after=lost_after, clock=clock)
        self._situation = Situation(service, job_name, clock=clock, metrics=display.live)
        self._phases = Phases()
        self._steps = StepLines()
        self._update: Future[None] | None = None
        self._status: JobStatus | None = None
        self._changed_at = self._started = clock()
        self._elapsed_before = 0.0
        self._cancelled = False

    def follow(self, on_look: Callable[[JobDetails], None]) -> RunOutcome:
        """Follow the job to its end.

        Args:
            on_look: Called after each look, for instance to mirror the run; on another thread,
                and never twice at a time.

        Returns:
            How the job ended, after every line of its logs was shown.

        Raises:
            FollowError: Nothing was heard from the job for ten minutes; it goes on.
        """
        try:
            while True:
                details = self._looks.details
                if details is not None and details.status.is_terminal:
                    return self._finish(details, on_look)
                self._round(on_look)
                if self._looks.details is not None:
                    self._enforce_queue_timeout(self._looks.details.status)
                if not self._looks.has_ended:
                    self._wait()
        finally:
            self._display.rest()

    def show_log(self) -> None:
        """Show what the log holds now, without waiting for more.

        Raises:
            WorkspaceError: The log could not be read.
        """
        try:
            self._logs.see(self._look_once_more(_SHOW_SECONDS).log_files)
            self._drain(_SHOW_SECONDS)
            self._logs.finish()
        finally:
            self._display.rest()

    def _round(self, on_look: Callable[[JobDetails], None]) -> None:
        """Look if it is time, read all logs whose time it is, and show what has come."""
        until = time.monotonic() + _PATIENCE
        if self._looks.running is None and self._clock() >= self._next_look:
            self._looks.start()
        while True:
            self._start_reads()
            left = until - time.monotonic()
            if left <= 0 or not first_of(self._running, left):
                break
            self._take_look(on_look)
            self._take_update()
            if self._logs.take():
                self._looks.contact.still_alive()
                self._tell_progress()
        # A log that hangs holds up no status for longer than that.
        self._show_status()
        self._tell_steps()
        self._tell_progress()

    @property
    def _next_look(self) -> float:
        if self._logs.wants_urls:
            # A signed URL has expired: only a look gives another one.
            return self._looks.due_after(SHORTEST)
        now = self._clock()
        return self._looks.due_after(look_pause(now - self._logs.news_at, now - self._changed_at))

    def _take_look(self, on_look: Callable[[JobDetails], None]) -> None:
        first = self._looks.details is None
        details = self._looks.take()
        if details is None:
            return
        if first:
            self._elapsed_before = age_of(details)
        self._phases.see(details.status, self._clock())
        if self._logs.see(details.log_files) or self._status_is_news:
            self._changed_at = self._clock()
        if self._display.detailed:
            self._situation.refresh(details)
        if self._update is None and not details.status.is_terminal:
            self._update = begin(lambda: on_look(details))

    def _take_update(self) -> None:
        if self._update is not None and self._update.done():
            update, self._update = self._update, None
            try:
                update.result()
            except WorkspaceError:
                return  # it is made again after the next look

    @property
    def _status_is_news(self) -> bool:
        details = self._looks.details
        return details is not None and details.status is not self._status

    def _start_reads(self) -> None:
        if self._status_is_news:
            # What an image build printed comes before the status that followed it.
            if self._is_reading_first(is_image_build):
                return
            self._show_status()
        details = self._looks.details
        # So does what a step printed, and its end before the next one.
        ended = self._steps.ended((details and details.steps) or ())
        if ended and self._is_reading_first(lambda path: split_step(path)[0] in ended):
            return
        self._tell_steps()
        self._logs.start()

    def _is_reading_first(self, wanted: Callable[[str], bool]) -> bool:
        """Begin to read what some files held at the last look; tell whether that goes on."""
        self._logs.start(first=wanted, since=self._looks.looked_at)
        return self._logs.is_reading(wanted)

    def _show_status(self) -> None:
        details = self._looks.details
        if details is not None and details.status is not self._status:
            self._status = details.status
            if not self._status.is_terminal:
                self._display.status(self._status, self._elapsed)

    def _tell_steps(self) -> None:
        """Tell what the last look saw of a pipeline's steps."""
        details = self._looks.details
        for line in self._steps.news((details and details.steps) or ()):
            self._display.note(line)

    @property
    def _running(self) -> list[Future[Any]]:
        calls: list[Future[Any] | None] = [self._looks.running, self._update, *self._logs.reading]
        return [call for call in calls if call is not None]

    @property
    def _elapsed(self) -> float:
        return self._elapsed_before + self._clock() - self._started

    def _tell_progress(self) -> None:
        self._display.progress(
            Progress(
                status=self._status,
                elapsed=self._elapsed,
                waiting_for=self._situation.waiting_for,
                trouble=self._looks.contact.trouble or self._logs.trouble,
                metrics=self._situation.metrics,
                steps=(self._looks.details and self._looks.details.steps) or (),
                link=self._link,
            )
        )

    def _wait(self) -> None:
        """Wait until something is due, or an answer comes that was waited for."""
        while True:
            due = self._logs.next_read
            if self._looks.running is None:
                due = min(due, self._next_look)
            left = due - self._clock()
            if self._running:
                if left <= 0 or first_of(self._running, min(left, _TICK)):
                    return
                self._pause(0)
            else:
                self._pause(max(_SHORTEST_WAIT, min(left, _TICK)))
                if left <= _TICK:
                    return
            self._tell_progress()

    def _finish(self, details: JobDetails, on_look: Callable[[JobDetails], None]) -> RunOutcome:
        # The look that saw the end was taken before its logs were read: one more, so that a file
        # that appeared in between is not lost.
        last = self._look_once_more()
        self._logs.see(last.log_files)
        self._drain()
        self._logs.finish()
        for line in self._steps.news(last.steps or ()):
            self._display.note(line)
        self._wait_for_update()
        self._update = begin(lambda: on_look(last))
        self._wait_for_update()
        error = last.error or details.error
        return outcome_of(
            last,
            status=last.status if last.status.is_terminal else details.status,
            error=error,
            duration=seconds_between(last.start_time, last.end_time),
            phases=self._phases.durations(last),
            last_lines=self._logs.last_lines(last.log_files if error else {}),
            summary=self._summary(),
        )

    def _wait_for_update(self) -> None:
        while self._update is not None:
            if not first_of([self._update], _TICK):
                self._pause(0)
            self._take_update()

    def _result_of(self, call: Callable[[], T]) -> T:
        """Make a call and wait for its result; who pauses us can end that as well."""
        future = begin(call)
        while not first_of([future], _TICK):
            self._tell_progress()
            self._pause(0)
        return future.result()

    def _look_once_more(self, patience: float | None = None) -> JobDetails:
        while True:
            try:
                details = self._result_of(self._looks.now)
            except WorkspaceError as error:
                self._looks.failed(error)
                if patience is not None and self._looks.contact.lost_for > patience:
                    raise
                while (left := self._looks.contact.try_at - self._clock()) > 0:
                    self._tell_progress()
                    self._pause(min(left, _TICK))
            else:
                self._looks.contact.heard()
                return details

    def _drain(self, patience: float | None = None) -> None:
        """Read every file to its end, however long its storage takes to answer."""
        self._logs.expect_more()
        while not self._logs.drained:
            self._logs.start_last()
            if self._logs.reading:
                if not first_of(self._logs.reading, _TICK):
                    self._pause(0)
                self._logs.take()
            else:
                if patience is not None:
                    self._logs.check(patience)
                left = self._logs.next_try - self._clock()
                self._pause(max(_SHORTEST_WAIT, min(left, _TICK)))
                if self._logs.wants_urls:
                    self._logs.see(self._look_once_more(patience).log_files)
            self._tell_progress()

    def _summary(self) -> RunSummary | None:
        if not self._display.detailed:
            return None
        try:
            return result_of(lambda: self._service.summary(self._job_name), _SUMMARY_SECONDS)
        except (TimeoutError, WorkspaceError):
            return None  # the run's page has it

    def _enforce_queue_timeout(self, status: JobStatus) -> None:
        waited = self._clock() - self._started
        if (
            self._queue_timeout is None
            or self._cancelled
            or status.has_started
            or waited < self._queue_timeout
        ):
            return
        # A request that fails is made again at the next look: the job must not start after all.
        try:
            self._result_of(lambda: self._service.cancel(self._job_name))
        except WorkspaceError as error:
            self._looks.failed(error)
            return
        self._cancelled = True
        self._display.note(
            f"The job has not started within {self._queue_timeout:.0f} seconds (queue_timeout): "
            "it is being cancelled."
        )
