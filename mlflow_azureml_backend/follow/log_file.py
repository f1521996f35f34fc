"""One log file, read once from its first byte to its last."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.display import LineKind, LogLine
from mlflow_azureml_backend.follow.log_lines import LogLines
from mlflow_azureml_backend.follow.log_start import Since, tail_offset
from mlflow_azureml_backend.follow.selection import LogSelection, is_image_build, rank_of
from mlflow_azureml_backend.pipeline import split_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import TypeAlias

    from mlflow_azureml_backend.job import LogPart

    Read: TypeAlias = Callable[[int, int], LogPart]

CHUNK = 1 << 20
LAST_LINES = 20
_LONGEST_LAST_LINE = 1000
_EVERYTHING = LogSelection()


class LogFile:
    """Turn the growing bytes of a log file into lines.

    Args:
        path: The file's path below the run.
        selection: Which of its lines are wanted; a file that appears later is wanted whole.
        raw: Keep carriage returns.
    """

    def __init__(
        self, path: str, *, selection: LogSelection = _EVERYTHING, raw: bool = False
    ) -> None:
        self.path = path
        self.offset = 0
        self.pending: deque[LogLine | str] = deque()
        """What is to be shown next: lines, and notes of ours as plain texts."""
        self.unfinished: LogLine | None = None
        """The present state of a progress bar at the file's end."""
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.settled = False
        """Whether the last read found nothing new."""
        self._rank = rank_of(path)
        self._from_build = is_image_build(path)
        self._step = split_step(path)[0]
        self._lines = LogLines(raw=raw)
        self._tail = selection.tail
        self._moment = selection.since
        self._since = Since(selection.since) if selection.since else None
        self._begun = False
        self._skips_line = False
        self._shorter = False
        self._created: datetime | None = None
        self._modified: datetime | None = None

    def advance(self, read: Read) -> bool:
        """Read on, at most one chunk; what it holds comes to `pending`.

        Args:
            read: Reads from an offset at most so many bytes.

        Returns:
            Whether there is more to read at once.

        Raises:
            WorkspaceError: The file could not be read; the next time goes on at the same byte.
        """
        self.settled = False
        if not self._begun:
            self._begin(read)
        part = read(self.offset, CHUNK)
        if self._was_replaced(part):
            self._begin_anew()
            return True
        self._modified = part.modified
        self.offset += len(part.data)
        self._take(self._lines.feed(self._without_line_start(part.data)))
        # Without a size the end is known by a read that gives nothing.
        more = bool(part.data) and (part.size is None or self.offset < part.size)
        if not more and self._since is not None:
            self._put(self._since.caught_up())
            self._since = None
        self._shorter = part.size is not None and part.size < self.offset
        # A storage that lags behind gives a little more at each read, and a smaller size.
        self.settled = not part.data and not self._shorter
        state = self._lines.state()
        self.unfinished = None if state is None else self._line(state, LineKind.UNFINISHED)
        return more

    def finish(self) -> None:
        """Bring the last line to `pending` when the file does not end with a line break."""
        self._take(self._lines.finish())
        if self._since is not None:
            self._put(self._since.caught_up())
        self.unfinished = None

    def _begin(self, read: Read) -> None:
        if self._tail is not None or self._moment is not None:
            # One byte tells the size and the time; of an empty file there is none.
            first = read(0, 1)
            size = first.size or 0
            unchanged = (
                self._moment is not None
                and first.modified is not None
                and first.modified < self._moment
            )
            if unchanged or self._tail == 0:
                # A line that is not complete yet was begun before.
                self.offset = max(0, size - 1)
                self._skips_line = size > 0
            elif self._tail is not None:
                self.offset = tail_offset(_whole(read), size, self._tail)
        self._begun = True

    def _was_replaced(self, part: LogPart) -> bool:
        """Tell whether the file is another one than before.

        A copy of the storage may lag behind for a moment: that a file is shorter than what was
        read of it counts when it is so twice.
        """
        before, self._created = self._created, part.created or self._created
        if before is not None and self._created != before:
            return True
        return self._shorter and part.size is not None and part.size < self.offset

    def _begin_anew(self) -> None:
        self._take(self._lines.finish())
        self.pending.append(
            f"The log {self.path} was cut off or begun anew after byte {self.offset}: "
            "it is read again from its start."
        )
        self.offset = 0
        self._created = None
        self._shorter = self._skips_line = False

    def _without_line_start(self, data: bytes) -> bytes:
        if self._skips_line and data:
            _, end, data = data.partition(b"\n")
            self._skips_line = not end
            return data if end else b""
        return data

    def _take(self, lines: Iterable[tuple[str, LineKind]]) -> None:
        made = [self._line(text, kind) for text, kind in lines]
        self._put(made if self._since is None else self._since.chosen(made))
        self.last_lines.extend(line.text[:_LONGEST_LAST_LINE] for line in made[-LAST_LINES:])

    def _put(self, lines: Iterable[LogLine]) -> None:
        self.pending.extend(lines)

    def _line(self, text: str, kind: LineKind) -> LogLine:
        return LogLine(
            text=text,
            path=self.path,
            rank=self._rank,
            step=self._step,
            kind=kind,
            time=self._modified,
            from_build=self._from_build,
        )


def _whole(read: Read) -> Callable[[int, int], bytes]:
    """Read all that was asked for, though a body may break off."""

    def whole(offset: int, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := read(offset + len(data), size - len(data)).data):
            data += more
        return data

    return whole
