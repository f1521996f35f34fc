"""The job's lines on stdout: whose they are, and nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.control_sequences import neutralised, open_colours
from mlflow_azureml_backend.follow.display import LineKind
from mlflow_azureml_backend.pipeline import split_step

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow.display import LogLine

_RANK_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_RESET = "\x1b[0m"
_MOST_HELD = 4000


class LineWriter:
    """Write lines of several files to stdout.

    What is written reaches it at the next `flush`, so that a thousand lines are one write.

    Args:
        raw: Leave lines as they are.
        timestamps: Begin each with a time.
    """

    def __init__(self, *, raw: bool, timestamps: bool) -> None:
        self._raw = raw
        self._timestamps = timestamps
        self._held: list[str] = []
        # The file whose very long line is not at its end, and whose next piece continues it.
        self._open: str | None = None
        self._paths: set[str] = set()
        self._steps: dict[str, int] = {}
        self._colours: dict[str, str] = {}

    def write(self, line: LogLine) -> None:
        """Write a line, or a piece of one."""
        text = line.text if self._raw else neutralised(line.text)
        if self._open != line.path:
            self.end_open_line()
            self._held.append(self._prefix(line) + self._colours.get(line.path, ""))
        self._held.append(text)
        if "\x1b" in text or line.path in self._colours:
            # What one line colours must not colour our prefixes and another rank's lines.
            colours = "" if self._raw else open_colours(text, self._colours.get(line.path, ""))
            if colours:
                self._colours[line.path] = colours
                self._held.append(_RESET)
            else:
                self._colours.pop(line.path, None)
        if line.kind is LineKind.PIECE:
            self._open = line.path
        else:
            self._held.append("\n")
            self._open = None
        if len(self._held) > _MOST_HELD:
            self.flush()

    def end_open_line(self) -> None:
        """Break a very long line off, because something else is to be written."""
        if self._open is not None:
            self._held.append("\n")
            self._open = None

    def flush(self) -> None:
        """Bring everything to stdout."""
        if not self._held:
            return
        text = "".join(self._held)
        self._held.clear()
        out = sys.stdout
        try:
            out.write(text)
        except UnicodeEncodeError:
            # A terminal that cannot show a character must not end the run.
            encoding = out.encoding or "ascii"
            out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        out.flush()

    def _prefix(self, line: LogLine) -> str:
        time = ""
        if self._timestamps:
            moment = (line.time or datetime.now(timezone.utc)).astimezone(timezone.utc)
            time = f"{moment:%Y-%m-%dT%H:%M:%SZ} "
        self._paths.add(line.path)
        is_output = line.path.rpartition("/")[2] == "std_log.txt"
        if line.source is not None:
            inner = split_step(line.path)[1]
            shown = line.source if is_output or line.rank is not None else f"{line.source} {inner}"
            return f"{time}{_coloured(f'[{shown}]', self._number(line))} "
        return time if is_output or len(self._paths) == 1 else f"{time}[{line.path}] "

    def _number(self, line: LogLine) -> int:
        """Number the steps as they begin to print; ranks have their own numbers."""
        if line.step is None:
            return line.rank or 0
        return self._steps.setdefault(line.step, len(self._steps))


def _coloured(text: str, number: int) -> str:
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{_RANK_COLOURS[number % len(_RANK_COLOURS)]}m{text}{_RESET}"
