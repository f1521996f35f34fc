"""Follow one job to its end: look, read what is new, wait, look again."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import FollowError, WorkspaceError
from mlflow_azureml_backend.follow.display import LogLine
from mlflow_azureml_backend.follow.log_file import LogFile
from mlflow_azureml_backend.follow.selection import IMAGE_BUILD, LogSelection, rank_of
from mlflow_azureml_backend.job import RunOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlflow_azureml_backend.follow.display import Display
    from mlflow_azureml_backend.job import JobDetails, JobStatus

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
_GROWTH = 1.3
_LOST_CONTACT_SECONDS = 600.0
_EVERYTHING = LogSelection()
_FRACTION = re.compile(r"\.\d+")


class JobService(Protocol):
    """The little that following needs of a workspace."""

    def details(self, job_name: str) -> JobDetails:
        """Take one look at a job."""

    def read_log(self, url: str, *, offset: int, size: int) -> bytes:
        """Read part of a log file; nothing at its end."""

    def cancel(self, job_name: str) -> None:
        """Ask for a job's end."""


class Follower:
    """Show a job's status and log lines until it has ended.

    Every byte of every streamed log file is read once, by its offset. Failures of the network
    or the service are waited out; the job does not depend on us.

    Args:
        service: Where the job is.
        job_name: The job.
        display: Where its lines go.
        selection: Which lines are shown.
        queue_timeout: Seconds after which a job that has not started is cancelled, or None.
        pause: Waits so many seconds; the hook for tests that must not sleep.
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
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._job_name = job_name
        self._display = display
        self._selection = selection
        self._queue_timeout = queue_timeout
        self._pause = pause
        self._clock = clock
        self._files: dict[str, LogFile] = {}
        self._status: JobStatus | None = None
        self._started = clock()
        self._cancelled = False

    def follow(self, on_look: Callable[[JobDetails], None]) -> RunOutcome:
        """Follow the job to its end.

        Args:
            on_look: Called after each look, for instance to mirror the run.

        Returns:
            How the job ended, after every line of its logs was shown.

        Raises:
            FollowError: No look has succeeded for ten minutes; the job goes on.
        """
        pause = FIRST_PAUSE
        last_success = self._clock()
        while True:
            try:
                details = self._service.details(self._job_name)
                # What an image build printed comes before the status that followed it.
                build = [path for path in details.log_files if path == IMAGE_BUILD]
                news = self._show_new_lines(details, build)
                self._show_status(details)
                news |= self._show_new_lines(details, details.log_files)
                if details.status.is_terminal:
                    return self._finish(details, on_look)
                on_look(details)
                self._enforce_queue_timeout(details.status)
                last_success = self._clock()
            except WorkspaceError as error:
                # An expired SAS, a throttled or lost connection: the next look starts anew, and
                # reads on from the byte where this one stopped.
                if self._clock() - last_success > _LOST_CONTACT_SECONDS:
                    minutes = _LOST_CONTACT_SECONDS / 60
                    raise FollowError(
                        f"No contact with job '{self._job_name}' for {minutes:.0f} minutes; it may "
                        f"still be running. {error}"
                    ) from error
                news = False
            pause = FIRST_PAUSE if news else min(pause * _GROWTH, LONGEST_PAUSE)
            self._pause(pause)

    def show_log(self) -> None:
        """Show what the log holds now, without waiting for more.

        Raises:
            WorkspaceError: The log could not be read.
        """
        details = self._service.details(self._job_name)
        self._show_new_lines(details, details.log_files)
        self._show_unfinished_lines()

    def _finish(self, details: JobDetails, on_look: Callable[[JobDetails], None]) -> RunOutcome:
        # The look that saw the end was taken before its logs were read: one more, so that a file
        # that appeared in between is not lost.
        last = self._service.details(self._job_name)
        self._show_new_lines(last, last.log_files)
        self._show_unfinished_lines()
        on_look(last)
        return RunOutcome(
            status=last.status if last.status.is_terminal else details.status,
            error=last.error or details.error,
            duration=_seconds_between(last.start_time, last.end_time),
        )

    def _show_status(self, details: JobDetails) -> None:
        if details.status is not self._status:
            self._status = details.status
            if not details.status.is_terminal:
                self._display.status(details.status, self._clock() - self._started)

    def _show_new_lines(self, details: JobDetails, paths: Iterable[str]) -> bool:
        before = sum(file.offset for file in self._files.values())
        for path in sorted(filter(self._selection.wants, paths)):
            file = self._files.setdefault(path, LogFile(path))
            url = details.log_files[path]

            def fetch(offset: int, size: int, url: str = url) -> bytes:
                return self._service.read_log(url, offset=offset, size=size)

            self._show(file, file.read(fetch))
        return sum(file.offset for file in self._files.values()) > before

    def _show_unfinished_lines(self) -> None:
        for file in self._files.values():
            self._show(file, file.finish())

    def _show(self, file: LogFile, lines: Iterable[str]) -> None:
        rank, from_build = rank_of(file.path), file.path == IMAGE_BUILD
        for text in lines:
            self._display.line(LogLine(text=text, path=file.path, rank=rank, from_build=from_build))

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
        self._service.cancel(self._job_name)
        self._cancelled = True
        self._display.note(
            f"The job has not started within {self._queue_timeout:.0f} seconds (queue_timeout): "
            "it is being cancelled."
        )


def _seconds_between(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    try:
        return (_instant(end) - _instant(start)).total_seconds()
    except ValueError:  # a duration is not worth the end of a run
        return None


def _instant(text: str) -> datetime:
    """Read the service's timestamps, which have seven digits of a second."""
    six_digits = _FRACTION.sub(lambda match: f"{match[0][:7]:0<7}", text.replace("Z", "+00:00"))
    instant = datetime.fromisoformat(six_digits)
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
