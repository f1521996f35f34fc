"""All log files of a job: which are read when, and what they hold shown in order."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import (
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    WorkspaceError,
)
from mlflow_azureml_backend.follow.calls import begin, first_of
from mlflow_azureml_backend.follow.contact import Contact
from mlflow_azureml_backend.follow.log_file import LAST_LINES, LogFile
from mlflow_azureml_backend.follow.pace import read_pause
from mlflow_azureml_backend.follow.selection import IMAGE_BUILD, LogSelection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.display import Display, LogLine
    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import LogPart

_AT_A_TIME = 8
# A file that stays refused with fresh URLs is behind a firewall, or gone.
_REFUSED_SECONDS = 60.0
_LAST_LINES_SECONDS = 10.0


class _Source:
    """One log file, where it is and how reading it goes."""

    def __init__(self, file: LogFile, clock: Callable[[], float]) -> None:
        self.file = file
        self.url = ""
        self.stale = False
        self.gone = False
        self.reading: Future[bool] | None = None
        self.offset_before = 0
        self.read_at = float("-inf")
        self.news_at = clock()
        self.contact = Contact(clock)
        self.shown_next: deque[LogLine | str] = deque()
        self.unfinished: LogLine | None = None

    @property
    def is_build(self) -> bool:
        return self.file.path == IMAGE_BUILD


class LogReader:
    """Read all log files that are wanted, each at its own pace, and show what is new.

    Args:
        service: Where the files are.
        display: Where their lines go.
        selection: Which files and lines are wanted.
        lost_after: Seconds after which a file that cannot be read is given up at the end.
        clock: Tells the seconds that pass.
    """

    def __init__(
        self,
        service: JobService,
        display: Display,
        *,
        selection: LogSelection,
        lost_after: float,
        clock: Callable[[], float],
    ) -> None:
        self._service = service
        self._display = display
        self._selection = selection
        self._later = LogSelection(
            ranks=selection.ranks, files=selection.files, system=selection.system
        )
        self._lost_after = lost_after
        self._clock = clock
        self._started = clock()
        self._seen = False
        self._ending = False
        self._sources: dict[str, _Source] = {}
        self.news_at = float("-inf")
        """When any file last had something new."""

    def see(self, log_files: Mapping[str, str]) -> bool:
        """Learn of the files and their URLs; tell whether there are new ones.

        Args:
            log_files: Path -> URL, of the last look.
        """
        news = False
        for path in sorted(filter(self._selection.wants, log_files)):
            source = self._sources.get(path)
            if source is None:
                # Only of what is there at the first look a part may be wanted.
                selection = self._later if self._seen else self._selection
                file = LogFile(path, selection=selection, raw=self._display.raw)
                source = self._sources[path] = _Source(file, self._clock)
                news = True
            source.url, source.stale = log_files[path], False
        self._seen = True
        return news

    @property
    def reading(self) -> list[Future[bool]]:
        """The reads that have not been answered yet."""
        return [source.reading for source in self._sources.values() if source.reading is not None]

    @property
    def build_is_being_read(self) -> bool:
        """Whether a read of the image build's log has not been answered yet."""
        return any(
            source.is_build and source.reading is not None for source in self._sources.values()
        )

    @property
    def wants_urls(self) -> bool:
        """Whether a file's URL does not work any more."""
        return any(source.stale and not source.gone for source in self._sources.values())

    @property
    def trouble(self) -> str | None:
        """What is wrong with a file that cannot be read for a while, or None."""
        return next(
            (
                source.contact.trouble
                for source in self._sources.values()
                if source.contact.trouble and not source.gone
            ),
            None,
        )

    def check(self, patience: float) -> None:
        """Raise the failure of a file that cannot be read for so many seconds.

        Raises:
            WorkspaceError: As the storage gave it.
        """
        for source in self._sources.values():
            if source.contact.error is not None and source.contact.lost_for > patience:
                raise source.contact.error

    @property
    def next_read(self) -> float:
        """When a file is to be read again that is not being read."""
        return min(
            (
                self._due(source)
                for source in self._sources.values()
                if source.reading is None and not source.stale
            ),
            default=float("inf"),
        )

    @property
    def next_try(self) -> float:
        """When a file that could not be read is to be tried again."""
        return min(
            (source.contact.try_at for source in self._sources.values() if not _done(source)),
            default=0.0,
        )

    @property
    def drained(self) -> bool:
        """Whether every file has been read to its end, or can not be."""
        return all(_done(source) for source in self._sources.values())

    def start(self, *, build_since: float | None = None) -> None:
        """Begin to read the files whose time it is, some at a time.

        Args:
            build_since: Only the image build's log, unless it was read since then.
        """
        now = self._clock()
        for source in self._idle():
            if build_since is None:
                if now >= self._due(source):
                    self._read(source, now)
            elif source.is_build and source.read_at < build_since:
                self._read(source, now)

    def start_last(self) -> None:
        """Begin to read what is left of the files, with no pauses: the job has ended."""
        self._ending = True
        now = self._clock()
        for source in self._idle():
            if not _done(source) and now >= source.contact.try_at:
                self._read(source, now)

    def expect_more(self) -> None:
        """Read every file once more: what it holds at the end of a job came after the last read."""
        for source in self._sources.values():
            source.file.settled = False

    def _idle(self) -> list[_Source]:
        free = _AT_A_TIME - len(self.reading)
        idle = [
            source
            for source in self._sources.values()
            if source.reading is None and not source.stale and not source.gone
        ]
        return sorted(idle, key=lambda source: source.read_at)[: max(0, free)]

    def take(self) -> bool:
        """Show what the answered reads have brought; tell whether that was anything new."""
        news = False
        for source in self._sources.values():
            if source.reading is not None and source.reading.done():
                news |= self._take(source, source.reading)
        return news

    def finish(self) -> None:
        """Show last lines that have no line break."""
        for source in self._sources.values():
            source.file.finish()
            self._show(source)

    def last_lines(self, log_files: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        """Give the last lines of each process, of those too whose log is not wanted.

        Args:
            log_files: Path -> URL, of the last look.
        """
        tail = LogSelection(tail=LAST_LINES)
        lines: dict[str, Sequence[str]] = {}
        for path in sorted(log_files):
            if not path.startswith("user_logs/std_log"):
                continue
            source = self._sources.get(path)
            if source is not None and len(source.file.last_lines) > 0:
                lines[path] = source.file.last_lines
                continue
            file = LogFile(path, selection=tail)
            first_of([begin(partial(self._whole, file, log_files[path]))], _LAST_LINES_SECONDS)
            lines[path] = file.last_lines
        return lines

    def _whole(self, file: LogFile, url: str) -> None:
        def read(offset: int, size: int) -> LogPart:
            return self._service.read_log(url, offset=offset, size=size)

        while file.advance(read):
            file.pending.clear()
        file.finish()

    def _due(self, source: _Source) -> float:
        now = self._clock()
        pause = read_pause(now - source.news_at, now - self._started)
        if source.contact.try_at:
            return source.contact.try_at
        return source.read_at + pause

    def _read(self, source: _Source, now: float) -> None:
        url = source.url

        def read(offset: int, size: int) -> LogPart:
            return self._service.read_log(url, offset=offset, size=size)

        source.read_at = now
        source.offset_before = source.file.offset
        source.reading = begin(lambda: source.file.advance(read))

    def _take(self, source: _Source, reading: Future[bool]) -> bool:
        source.reading = None
        try:
            more = reading.result()
        except WorkspaceError as error:
            self._failed(source, error)
            self._show(source)
            return False
        source.contact.heard()
        now = self._clock()
        source.shown_next.extend(source.file.pending)
        source.file.pending.clear()
        news = more or source.file.offset != source.offset_before
        if news:
            source.news_at = self.news_at = now
        if more:
            self._read(source, now)  # the next part is on its way while this one is shown
        self._show(source)
        return news

    def _failed(self, source: _Source, error: WorkspaceError) -> None:
        source.contact.failed(error)
        refused = isinstance(error, (AuthenticationError, ForbiddenError, NotFoundError))
        source.stale = refused
        if self._ending and source.contact.lost_for > (
            min(_REFUSED_SECONDS, self._lost_after) if refused else self._lost_after
        ):
            source.gone = True
            self._display.note(
                f"The log {source.file.path} could not be read beyond byte {source.file.offset}. "
                f"{error}"
            )

    def _show(self, source: _Source) -> None:
        # What is being shown stays in line until it is: an interruption loses nothing.
        for line in (
            (source.shown_next, source.file.pending) if not source.reading else (source.shown_next,)
        ):
            while line:
                item = line[0]
                if isinstance(item, str):
                    self._display.note(item)
                else:
                    self._display.line(item)
                line.popleft()
        unfinished = source.file.unfinished
        if unfinished is not None and unfinished != source.unfinished:
            self._display.line(unfinished)
        source.unfinished = unfinished


def _done(source: _Source) -> bool:
    return source.gone or (source.file.settled and source.reading is None)
