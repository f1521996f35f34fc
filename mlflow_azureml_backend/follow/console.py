"""A job on a console: its lines on stdout, everything of ours on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.control_sequences import neutralised
from mlflow_azureml_backend.follow.display import LineKind, LogLine, Progress
from mlflow_azureml_backend.follow.line_writer import LineWriter
from mlflow_azureml_backend.follow.live_region import LiveRegion, clock, status_text

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobStatus, RunOutcome

# Without a terminal a line now and then tells that we are still there.
_WAITING_EVERY = 60.0
_RUNNING_EVERY = 300.0


class ConsoleDisplay:
    """Show a job on a terminal, or in a log file, line by line.

    On a terminal a status line and the progress bars of all ranks stay below the lines; elsewhere
    a plain line tells of each change, and now and then that nothing has changed.

    Args:
        raw: Leave the job's lines as they are.
        timestamps: Begin each line with the time at which its file held it.
        quiet: Only the job's lines.
    """

    def __init__(self, *, raw: bool = False, timestamps: bool = False, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
        self.detailed = not quiet
        self.raw = raw
        self._lines = LineWriter(raw=raw, timestamps=timestamps)
        self._region = LiveRegion(self._console)
        self.live = self.detailed and self._region.possible
        self._last = Progress(status=None, elapsed=0.0)
        self._told_at = 0.0

    def note(self, text: str) -> None:
        """Tell something of ours."""
        self._tell(text)

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed."""
        self._told_at = elapsed
        self._tell(f"{clock(elapsed)}  {status.value}", style="bold")

    def line(self, line: LogLine) -> None:
        """Show one line of a log."""
        if line.kind is LineKind.UNFINISHED:
            self._region.bars[line.path] = line
            return
        self._region.bars.pop(line.path, None)
        if line.from_build:
            if line.text or line.kind is LineKind.WHOLE:
                whose = "" if line.step is None else f"[{line.step}] "
                text = line.text if self.raw else neutralised(line.text)
                self._tell(f"    {whose}{text}", style="dim")
            return
        self._region.erase()
        self._lines.write(line)
        self._told_at = self._last.elapsed

    def progress(self, progress: Progress) -> None:
        """Tell where the job stands."""
        self._lines.flush()
        if self.live:
            self._region.draw(progress)
        elif self.detailed:
            self._tell_plainly(progress)
        self._last = progress

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""
        from mlflow_azureml_backend.follow.outcome_text import outcome_lines

        self.rest()
        for text, style in outcome_lines(outcome):
            self._tell(text, style=style)

    def rest(self) -> None:
        """Take away what is shown for the moment only."""
        self._region.erase()
        self._region.bars.clear()
        self._lines.end_open_line()
        self._lines.flush()

    def _tell_plainly(self, progress: Progress) -> None:
        last = self._last
        if progress.trouble and not last.trouble:
            self._tell(f"{clock(progress.elapsed)}  Trying again: {progress.trouble}")
        elif last.trouble and not progress.trouble:
            self._tell(f"{clock(progress.elapsed)}  Contact is back.")
        if progress.status is None:
            return
        waits = not progress.status.has_started
        silent = progress.elapsed - self._told_at
        changed = waits and progress.waiting_for != last.waiting_for
        if changed or silent >= (_WAITING_EVERY if waits else _RUNNING_EVERY):
            self._told_at = progress.elapsed
            self._tell(status_text(progress))

    def _tell(self, text: str, *, style: str = "") -> None:
        self._region.erase()
        self._lines.end_open_line()
        self._lines.flush()
        # markup=False: the text is data, square brackets included.
        self._console.print(text, style=style or None, markup=False, emoji=False)
