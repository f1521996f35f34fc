"""What a user is told at the end of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.control_sequences import neutralised, without_colours
from mlflow_azureml_backend.follow.live_region import clock, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import RunOutcome, RunSummary

_LONGEST_ERROR = 2000
_MOST_FILES = 10
_MOST_METRICS = 30
_KILO = 1024


def outcome_lines(outcome: RunOutcome) -> Iterator[tuple[str, str]]:
    """Give lines and their styles.

    Args:
        outcome: How the job ended.
    """
    yield _headline(outcome), "bold green" if outcome.succeeded else "bold red"
    if outcome.error:
        yield _error(outcome), "red"
    if outcome.last_lines:
        rank = None if outcome.rank is None else f"rank {outcome.rank}"
        step = None if outcome.step is None else f"step {outcome.step}"
        who = ", ".join(part for part in (step, rank) if part) or "the job"
        yield f"The last {len(outcome.last_lines)} lines of {who}:", "bold"
        for line in outcome.last_lines:
            yield f"    {_plain(line)}", "dim"
    if outcome.cause:
        yield f"Likely cause: {_plain(outcome.cause.what)}", "bold"
        yield f"What to do:   {_plain(outcome.cause.fix)}", ""
    if outcome.summary:
        yield from _summary(outcome.summary)


def _headline(outcome: RunOutcome) -> str:
    took = "" if outcome.duration is None else f" in {clock(outcome.duration)}"
    code = "" if outcome.exit_code is None else f", exit code {outcome.exit_code}"
    if len(outcome.phases) < 2:  # noqa: PLR2004  # one phase says no more than the duration
        return f"{outcome.status.value}{took}{code}"
    phases = ", ".join(f"{name} {clock(seconds)}" for name, seconds in outcome.phases.items())
    return f"{outcome.status.value}{took}{code} ({phases})"


def _error(outcome: RunOutcome) -> str:
    error = _plain(outcome.error or "", keep_lines=True)
    if outcome.last_lines:
        # The service repeats the end of the log, which comes below.
        error = error.splitlines()[0] if error else error
    return error if len(error) <= _LONGEST_ERROR else f"{error[:_LONGEST_ERROR]}…"


def _summary(summary: RunSummary) -> Iterator[tuple[str, str]]:
    if summary.params:
        params = ", ".join(f"{key}={value}" for key, value in sorted(summary.params.items()))
        yield f"Parameters   {_plain(params)}", ""
    if summary.metrics:
        known = sorted(summary.metrics.items())
        metrics = [f"{key} {number(value)}" for key, value in known[:_MOST_METRICS]]
        if len(known) > _MOST_METRICS:
            metrics.append(f"and {len(known) - _MOST_METRICS} more")
        yield f"Metrics      {_plain(', '.join(metrics))}", ""
    for name, uri in sorted(summary.outputs.items()):
        yield f"Output       {_plain(name)}  {_plain(uri)}", ""
    if summary.artifacts:
        files = summary.artifacts
        total = sum(file.size or 0 for file in files)
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        yield f"Artifacts    {count}, {size(total)}", ""
        for file in files[:_MOST_FILES]:
            told = "" if file.size is None else f"  {size(file.size)}"
            yield f"    {_plain(file.path)}{told}", "dim"
        if len(files) > _MOST_FILES:
            yield f"    and {len(files) - _MOST_FILES} more", "dim"


def size(count: int) -> str:
    """Write a number of bytes for people."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < _KILO:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= _KILO
    return f"{amount:.1f} TB"


def _plain(text: str, *, keep_lines: bool = False) -> str:
    if keep_lines:
        return "\n".join(without_colours(neutralised(line)) for line in text.splitlines())
    return without_colours(neutralised(text))
