"""One log file, where it is, and how reading it goes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import (
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    WorkspaceError,
)
from mlflow_azureml_backend.follow.contact import Contact
from mlflow_azureml_backend.follow.pace import read_pause

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.display import Display, LogLine
    from mlflow_azureml_backend.follow.log_file import LogFile
    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import LogPart

# A file that stays refused with fresh URLs is behind a firewall, or gone.
_REFUSED_SECONDS = 60.0


class LogSource:
    """Read one log file on a thread, and show what it holds.

    Args:
        file: The file.
        clock: Tells the seconds that pass.
    """

    def __init__(self, file: LogFile, clock: Callable[[], float]) -> None:
        self.file = file
        self.url = ""
        self.stale = False
        """Whether the URL does not work any more."""
        self.gone = False
        """Whether the file has been given up."""
        self.reading: Future[bool] | None = None
        self.read_at = float("-inf")
        self.contact = Contact(clock)
        self._clock = clock
        self._offset_before = 0
        self._news_at = self._started = clock()
        self._shown_next: deque[LogLine | str] = deque()
        self._unfinished: LogLine | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it could be read now."""
        return self.reading is None and not self.stale and not self.gone

    @property
    def is_done(self) -> bool:
        """Whether it has been read to its end, or can not be."""
        return self.gone or (self.file.settled and self.reading is None)

    @property
    def due(self) -> float:
        """When it is to be read again."""
        if self.contact.try_at:
            return self.contact.try_at
        now = self._clock()
        return self.read_at + read_pause(now - self._news_at, now - self._started)

    def read(self, service: JobService) -> None:
        """Begin to read on."""
        url = self.url

        def part(offset: int, size: int) -> LogPart:
            return service.read_log(url, offset=offset, size=size)

        self.read_at = self._clock()
        self._offset_before = self.file.offset
        self.reading = begin(lambda: self.file.advance(part))

    def take(self, reading: Future[bool], service: JobService, display: Display) -> bool:
        """Show what a read has brought, while the next one is on its way; tell whether it was new.

        Raises:
            WorkspaceError: It could not be read.
        """
        self.reading = None
        try:
            more = reading.result()
        except WorkspaceError:
            self.show(display)
            raise
        self.contact.heard()
        news = more or self.file.offset != self._offset_before
        if news:
            self._news_at = self._clock()
        self._shown_next.extend(self.file.pending)
        self.file.pending.clear()
        if more:
            self.read(service)
        self.show(display)
        return news

    def failed(self, error: WorkspaceError, give_up_after: float | None) -> bool:
        """Note a failure; tell whether the file is given up.

        Args:
            error: Why it could not be read.
            give_up_after: Seconds of failures after which it is, or None.
        """
        self.contact.failed(error)
        self.stale = isinstance(error, (AuthenticationError, ForbiddenError, NotFoundError))
        if give_up_after is not None:
            limit = min(_REFUSED_SECONDS, give_up_after) if self.stale else give_up_after
            self.gone = self.contact.lost_for > limit
        return self.gone

    def show(self, display: Display) -> None:
        """Show what is read and was not shown; what is being shown stays in line until it is."""
        lines = [self._shown_next]
        if self.reading is None:
            lines.append(self.file.pending)
        for line in lines:
            while line:
                item = line[0]
                if isinstance(item, str):
                    display.note(item)
                else:
                    display.line(item)
                line.popleft()
        unfinished = self.file.unfinished
        if unfinished is not None and unfinished != self._unfinished:
            display.line(unfinished)
        self._unfinished = unfinished
