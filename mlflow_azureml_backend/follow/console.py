"""A job on a console: its lines on stdout, everything of ours on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.display import LineKind

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow.display import LogLine, Progress
    from mlflow_azureml_backend.job import JobStatus, RunOutcome


class ConsoleDisplay:
    """Show a job on a terminal, or in a log file, line by line.

    Args:
        raw: Leave the job's lines as they are.
        timestamps: Begin each line with the time at which its file held it.
        quiet: Only the job's lines.
    """

    def __init__(self, *, raw: bool = False, timestamps: bool = False, quiet: bool = False) -> None:
        from rich.console import Console

        self.detailed = not quiet
        self._raw = raw
        self._timestamps = timestamps
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)

    def note(self, text: str) -> None:
        """Tell something of ours."""
        self._tell(text)

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed."""
        self._tell(f"{clock(elapsed)}  {status.value}", style="bold")

    def line(self, line: LogLine) -> None:
        """Show one line of a log."""
        if line.kind is LineKind.UNFINISHED:
            return
        if line.from_build:
            self._tell(f"    {line.text}", style="dim")
            return
        prefix = "" if line.rank is None else f"[rank {line.rank}] "
        _write_line(prefix + line.text)

    def progress(self, progress: Progress) -> None:
        """Tell where the job stands."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""
        took = "" if outcome.duration is None else f" in {clock(outcome.duration)}"
        style = "bold green" if outcome.succeeded else "bold red"
        self._tell(f"{outcome.status.value}{took}", style=style)
        if outcome.error:
            self._tell(outcome.error, style="red")

    def rest(self) -> None:
        """Take away what is shown for the moment only."""

    def _tell(self, text: str, *, style: str = "") -> None:
        # markup=False: the text is data, square brackets included.
        self._console.print(text, style=style or None, markup=False, emoji=False)


def clock(seconds: float) -> str:
    """Write a duration as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _write_line(text: str) -> None:
    out = sys.stdout
    try:
        out.write(text + "\n")
    except UnicodeEncodeError:
        # A terminal that cannot show a character must not end the run.
        encoding = out.encoding or "ascii"
        out.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()
