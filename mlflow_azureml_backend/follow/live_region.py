"""The lines at the bottom of a terminal that tell where a job stands."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.control_sequences import neutralised

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mlflow_azureml_backend.follow.display import LogLine, Progress

_MOST_BARS = 8
_MOST_METRICS = 8
_METRICS_A_ROW = 4
_SECONDS_BETWEEN = 0.1


class LiveRegion:
    """Draw a few lines below all others, and take them away before others are written.

    Args:
        console: Where they are drawn.
    """

    def __init__(self, console: Console) -> None:
        self.bars: dict[str, LogLine] = {}
        """Path -> present state of the progress bar at the file's end."""
        self._console = console
        self._height = 0
        self._drawn_at = 0.0

    @property
    def possible(self) -> bool:
        """Whether this is a terminal that can take lines away again."""
        console = self._console
        return console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows

    def draw(self, progress: Progress) -> None:
        """Draw the region anew, at most some times a second."""
        now = time.monotonic()
        if self._height and now - self._drawn_at < _SECONDS_BETWEEN:
            return
        lines = self._rendered(progress)
        self.erase()
        self._console.file.write("\n".join(lines))
        self._console.file.flush()
        self._height, self._drawn_at = len(lines), now

    def erase(self) -> None:
        """Take the region away; the cursor is then where it was drawn."""
        if self._height:
            self._console.file.write("\r\x1b[2K" + "\x1b[1A\x1b[2K" * (self._height - 1))
            self._console.file.flush()
            self._height = 0

    def _rendered(self, progress: Progress) -> list[str]:
        from rich.text import Text

        bars = sorted(self.bars.items())[:_MOST_BARS]
        parts: list[Text] = []
        for _, line in bars:
            prefix = "" if line.source is None else f"[{line.source}] "
            parts.append(Text.from_ansi(prefix + neutralised(line.text)))
        parts += self._metrics(progress)
        parts.append(Text(status_text(progress), style="yellow" if progress.trouble else "bold"))
        if progress.link:
            parts[-1].append(f"  {progress.link}", style=f"dim link {progress.link}")
        width = self._console.width - 1  # a full line would wrap on some terminals
        for part in parts:
            part.truncate(width, overflow="ellipsis")
        with self._console.capture() as capture:
            for part in parts:
                self._console.print(part, end="\n", no_wrap=True)
        return capture.get().rstrip("\n").split("\n")

    def _metrics(self, progress: Progress) -> list[Text]:
        from rich.text import Text

        known = sorted(progress.metrics.items())
        rows: list[Text] = []
        shown = known[:_MOST_METRICS]
        wide = max((len(_metric(*item)) for item in shown), default=0)
        for start in range(0, len(shown), _METRICS_A_ROW):
            row = Text()
            for name, value in shown[start : start + _METRICS_A_ROW]:
                row.append(f"{neutralised(name)} ", style="dim")
                row.append(number(value), style="bold")
                row.append(" " * (wide - len(_metric(name, value)) + 3))
            rows.append(row)
        if rows and len(known) > _MOST_METRICS:
            rows[-1].append(f"and {len(known) - _MOST_METRICS} more", style="dim")
        return rows


def status_text(progress: Progress) -> str:
    """Tell status, time and what a job waits for in one line."""
    status = progress.status.value if progress.status else "Looking for the job"
    parts = [f"{clock(progress.elapsed)}  {status}"]
    if progress.steps:
        parts.append(", ".join(f"{step.name} {step.status.value}" for step in progress.steps))
    if progress.waiting_for:
        parts.append(neutralised(progress.waiting_for))
    if progress.trouble:
        parts.append(f"trying again: {neutralised(progress.trouble)}")
    return ": ".join(parts).replace(os.linesep, " ")


def number(value: float) -> str:
    """Write a metric's value in a few digits."""
    return f"{value:.6g}"


def clock(seconds: float) -> str:
    """Write a duration as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _metric(name: str, value: float) -> str:
    return f"{neutralised(name)} {number(value)}"
