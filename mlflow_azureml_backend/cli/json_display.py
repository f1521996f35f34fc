"""A followed job as JSON: one object a line, on stdout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mlflow_azureml_backend.follow import LineKind

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow import LogLine, Progress
    from mlflow_azureml_backend.job import JobStatus, RunOutcome


class JsonDisplay:
    """Show a job to a program: each object says in `event` what it is.

    Args:
        quiet: Only the job's lines.
    """

    detailed = False
    live = False
    raw = False

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def note(self, text: str) -> None:
        """Tell something of ours."""
        self._event("note", text=text)

    def status(self, status: JobStatus, elapsed: float) -> None:
        """Tell that the job's status changed."""
        self._event("status", status=status.value, elapsed=round(elapsed, 1))

    def line(self, line: LogLine) -> None:
        """Show one line of a log; a piece of a very long one says that more follows."""
        if line.kind is LineKind.UNFINISHED:
            return
        told: dict[str, Any] = {"event": "line", "file": line.path, "rank": line.rank}
        if line.step is not None:
            told["step"] = line.step
        if line.time is not None:
            told["time"] = line.time.isoformat()
        if line.kind is LineKind.PIECE:
            told["more"] = True
        _print({**told, "line": line.text})

    def progress(self, progress: Progress) -> None:
        """Show nothing: it changes every second."""

    def outcome(self, outcome: RunOutcome) -> None:
        """Tell how the job ended."""
        self._event(
            "outcome",
            status=outcome.status.value,
            mlflow_status=outcome.status.to_run_status(),
            error=outcome.error,
            seconds=outcome.duration,
        )

    def rest(self) -> None:
        """Do nothing: nothing is shown for the moment only."""

    def _event(self, event: str, **told: Any) -> None:
        if not self._quiet:
            _print({"event": event, **told})


def _print(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document))
