"""What the user sees: the job's lines on stdout, everything of ours on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobStatus, RunOutcome


class Display(Protocol):
    """Where a follower tells what it sees."""

    def note(self, text: str) -> None:
        """Tell something of ours."""

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed, so many seconds after submission."""

    def line(self, text: str, *, rank: int | None) -> None:
        """Show one line that the job printed."""

    def build_line(self, text: str) -> None:
        """Show one line of the environment's build."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""


class SilentDisplay:
    """Show nothing; for `"stream": false`."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Show nothing."""

    def line(self, text: str, *, rank: int | None) -> None:
        """Show nothing."""

    def build_line(self, text: str) -> None:
        """Show nothing."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Show nothing."""


class ConsoleDisplay:
    """Show a job on a terminal, or in a log file, line by line."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Tell something of ours."""
        self._tell(text)

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed."""
        self._tell(f"{clock(elapsed)}  {status.value}", style="bold")

    def line(self, text: str, *, rank: int | None) -> None:
        """Show one line that the job printed."""
        prefix = "" if rank is None else f"[rank {rank}] "
        _write_line(prefix + text)

    def build_line(self, text: str) -> None:
        """Show one line of the environment's build."""
        self._tell(f"    {text}", style="dim")

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""
        took = "" if outcome.duration is None else f" in {clock(outcome.duration)}"
        style = "bold green" if outcome.succeeded else "bold red"
        self._tell(f"{outcome.status.value}{took}", style=style)
        if outcome.error:
            self._tell(outcome.error, style="red")

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
