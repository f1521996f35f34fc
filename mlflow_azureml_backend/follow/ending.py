"""How a job ended, with what is needed to see why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.causes import likely_cause
from mlflow_azureml_backend.follow.selection import rank_of
from mlflow_azureml_backend.job import Cause, JobStatus, RunOutcome
from mlflow_azureml_backend.pipeline import path_in_step, split_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.job import JobDetails, RunSummary

_EXIT_CODE = re.compile(r"(?i)(?:status code|exit ?code|exit status)[: ]+(-?\d+)")
_LOG_FILE = re.compile(r"user_logs/std_log(?:_process_\d+)?\.txt")
_TROUBLE = re.compile(r"Traceback|Error\b|Exception\b|Killed|Segmentation fault|exitcode")


def failing_log(
    error: str | None, last_lines: Mapping[str, Sequence[str]], step: str | None = None
) -> str | None:
    """Name the log file of the process that failed, or None without any.

    Args:
        error: The service's error, which names it as a rule.
        last_lines: Path -> last lines of each log file of a process, in order of their ranks.
        step: The step that failed, of a pipeline.
    """
    named = _LOG_FILE.search(error or "")
    if step is not None:
        last_lines = {p: lines for p, lines in last_lines.items() if split_step(p)[0] == step}
    path = None if named is None else named[0] if step is None else path_in_step(step, named[0])
    if path in last_lines:
        return path
    troubled = [path for path, lines in last_lines.items() if _TROUBLE.search("\n".join(lines))]
    return next(iter(troubled or last_lines), None)


def outcome_of(
    details: JobDetails,
    *,
    status: JobStatus,
    error: str | None,
    duration: float | None,
    phases: Mapping[str, float],
    last_lines: Mapping[str, Sequence[str]],
    summary: RunSummary | None,
) -> RunOutcome:
    """Put together how a job ended.

    Args:
        details: The last look.
        status: The status it ended with.
        error: The service's error.
        duration: Seconds that it ran.
        phases: Seconds in each phase.
        last_lines: Path -> last lines of each log file of a process.
        summary: What it logged.
    """
    base = RunOutcome(status=status, error=error, duration=duration, phases=phases, summary=summary)
    if status is JobStatus.COMPLETED or (status is JobStatus.CANCELED and not details.warnings):
        return base
    failed = [step.name for step in details.steps or () if step.status is JobStatus.FAILED]
    step = failed[0] if failed and status is JobStatus.FAILED else None
    path = failing_log(error, last_lines, step) if status is JobStatus.FAILED else None
    lines = tuple(last_lines[path]) if path else ()
    return RunOutcome(
        status=status,
        error=error,
        duration=duration,
        phases=phases,
        summary=summary,
        exit_code=_exit_code(error),
        rank=rank_of(path) if path else None,
        step=step,
        last_lines=lines,
        cause=_cause(status, lines, error, details.warnings),
    )


def _exit_code(error: str | None) -> int | None:
    found = _EXIT_CODE.search(error or "")
    return int(found[1]) if found else None


def _cause(
    status: JobStatus, lines: Sequence[str], error: str | None, warnings: Sequence[str]
) -> Cause | None:
    # A canceled job printed what it printed: only the service knows whether that was a limit.
    told = (error or "", "\n".join(warnings))
    return likely_cause(("\n".join(lines), *told) if status is JobStatus.FAILED else told)
