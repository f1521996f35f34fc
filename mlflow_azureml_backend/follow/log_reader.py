"""All log files of a job: which are read when, and what they hold shown in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import WorkspaceError
from mlflow_azureml_backend.follow.calls import first_of
from mlflow_azureml_backend.follow.log_file import LAST_LINES, LogFile
from mlflow_azureml_backend.follow.log_source import LogSource
from mlflow_azureml_backend.follow.selection import LogSelection
from mlflow_azureml_backend.pipeline import split_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.display import Display
    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import LogPart

_AT_A_TIME = 8
_LAST_LINES_SECONDS = 10.0


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
        self._seen = False
        self._ending = False
        self._sources: dict[str, LogSource] = {}
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
                source = self._sources[path] = LogSource(file, self._clock)
                news = True
            source.url, source.stale = log_files[path], False
        self._seen = True
        return news

    @property
    def reading(self) -> list[Future[bool]]:
        """The reads that have not been answered yet."""
        return [source.reading for source in self._sources.values() if source.reading is not None]

    def is_reading(self, wanted: Callable[[str], bool]) -> bool:
        """Tell whether a read of some files has not been answered yet.

        Args:
            wanted: Tells the files by their paths.
        """
        return any(
            source.reading is not None and wanted(path) for path, source in self._sources.items()
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
            (source.due for source in self._sources.values() if source.is_idle),
            default=float("inf"),
        )

    @property
    def next_try(self) -> float:
        """When a file that could not be read is to be tried again."""
        return min(
            (source.contact.try_at for source in self._sources.values() if not source.is_done),
            default=0.0,
        )

    @property
    def drained(self) -> bool:
        """Whether every file has been read to its end, or can not be."""
        return all(source.is_done for source in self._sources.values())

    def start(
        self, *, first: Callable[[str], bool] | None = None, since: float = float("-inf")
    ) -> None:
        """Begin to read the files whose time it is, some at a time.

        Args:
            first: Tells by their paths which alone are read, whatever the time.
            since: Not those that were read after this moment.
        """
        now = self._clock()
        for source in self._idle():
            if first is None:
                if now >= source.due:
                    source.read(self._service)
            elif first(source.file.path) and source.read_at < since:
                source.read(self._service)

    def start_last(self) -> None:
        """Begin to read what is left of the files, with no pauses: the job has ended."""
        self._ending = True
        now = self._clock()
        for source in self._idle():
            if not source.is_done and now >= source.contact.try_at:
                source.read(self._service)

    def expect_more(self) -> None:
        """Read every file once more: what it holds at the end of a job came after the last read."""
        for source in self._sources.values():
            source.file.settled = False

    def _idle(self) -> list[LogSource]:
        free = _AT_A_TIME - len(self.reading)
        idle = [source for source in self._sources.values() if source.is_idle]
        return sorted(idle, key=lambda source: source.read_at)[: max(0, free)]

    def take(self) -> bool:
        """Show what the answered reads have brought; tell whether that was anything new."""
        news = False
        for source in self._sources.values():
            if source.reading is None or not source.reading.done():
                continue
            try:
                if source.take(source.reading, self._service, self._display):
                    self.news_at, news = self._clock(), True
            except WorkspaceError as error:
                if source.failed(error, self._lost_after if self._ending else None):
                    file = source.file
                    self._display.note(
                        f"The log {file.path} could not be read beyond byte {file.offset}. {error}"
                    )
        return news

    def finish(self) -> None:
        """Show last lines that have no line break."""
        for source in self._sources.values():
            source.file.finish()
            source.show(self._display)

    def last_lines(self, log_files: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        """Give the last lines of each process, of those too whose log is not wanted.

        Args:
            log_files: Path -> URL, of the last look.
        """
        tail = LogSelection(tail=LAST_LINES)
        lines: dict[str, Sequence[str]] = {}
        for path in sorted(log_files):
            if not split_step(path)[1].startswith("user_logs/std_log"):
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
