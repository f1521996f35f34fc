"""What a follower tells, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.job import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlflow_azureml_backend.job import JobStatus, RunOutcome
    from mlflow_azureml_backend.pipeline import StepState


class LineKind(Enum):
    """How much of a line is there."""

    WHOLE = "whole"
    """The line, or the end of one whose pieces were given before."""
    PIECE = "piece"
    """Part of a very long line; more of it follows."""
    UNFINISHED = "unfinished"
    """The present state of a progress bar; it will be given again, and in the end WHOLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a log file.

    Args:
        text: Without the line break.
        path: The file's path below the run.
        rank: The rank that printed it, or None for a job of one process.
        step: The step of a pipeline that printed it, or None.
        kind: How much of the line it is.
        time: When the file held it at the latest, by the service's clock, or None.
        from_build: Whether the environment's build printed it.
    """

    text: str
    path: str
    rank: int | None = None
    step: str | None = None
    kind: LineKind = LineKind.WHOLE
    time: datetime | None = None
    from_build: bool = False

    @property
    def source(self) -> str | None:
        """Who printed it, for people: the step, the rank or both; None for a job of one process."""
        rank = None if self.rank is None else f"rank {self.rank}"
        return " ".join(part for part in (self.step, rank) if part) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a job stands.

    Args:
        status: None before the first look.
        elapsed: Seconds since the job was submitted.
        waiting_for: Why it has not started, as far as the service tells.
        trouble: Why nothing is heard from it, or None while there is contact.
        metrics: Key -> last value.
        steps: The steps of a pipeline that have begun.
        link: Link to the job's page.
    """

    status: JobStatus | None
    elapsed: float
    waiting_for: str | None = None
    trouble: str | None = None
    metrics: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    steps: tuple[StepState, ...] = ()
    link: str | None = None


class Display(Protocol):
    """Where a follower tells what it sees.

    A display of your own may begin with `SilentDisplay`.

    Attributes:
        detailed: Whether more than the job's lines is shown: what costs further requests, such as
            the reason of a long wait and the summary at the end, is only asked for then.
        live: Whether what `progress` tells is always in sight: metrics are only asked for then.
        raw: Whether lines are wanted with their carriage returns.
    """

    detailed: bool
    live: bool
    raw: bool

    def note(self, text: str) -> None:
        """Tell something of ours."""

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed, so many seconds after submission."""

    def line(self, line: LogLine) -> None:
        """Show one line of a log."""

    def progress(self, progress: Progress) -> None:
        """Tell where the job stands; called at least once a second while a job is followed."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""

    def rest(self) -> None:
        """Take away what is shown for the moment only: nobody follows for now."""


class SilentDisplay:
    """Show nothing; for `"stream": false`."""

    detailed = False
    live = False
    raw = False

    def note(self, text: str) -> None:
        """Show nothing."""

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Show nothing."""

    def line(self, line: LogLine) -> None:
        """Show nothing."""

    def progress(self, progress: Progress) -> None:
        """Show nothing."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Show nothing."""

    def rest(self) -> None:
        """Show nothing."""


def display_for(
    *, stream: bool, raw: bool = False, timestamps: bool = False, quiet: bool = False
) -> Display:
    """Choose the display: the console, or none for `"stream": false`.

    Args:
        stream: Show anything at all.
        raw: Leave the job's lines as they are: with control sequences and carriage returns.
        timestamps: Begin each line with the time at which its file held it.
        quiet: Only the job's lines, nothing of ours.
    """
    if not stream:
        return SilentDisplay()
    from mlflow_azureml_backend.follow.console import ConsoleDisplay

    return ConsoleDisplay(raw=raw, timestamps=timestamps, quiet=quiet)
