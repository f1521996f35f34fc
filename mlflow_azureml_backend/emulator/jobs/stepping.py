"""Jobs driven by hand: taken on to a status, or shown at one, when a test wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.status import COURSE, TERMINAL, JobStatus

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

FORCED: Final = (JobStatus.NOT_RESPONDING, JobStatus.PAUSED, JobStatus.UNKNOWN)
"""The statuses that no job of the emulator comes to by itself."""

REACHABLE: Final = (*COURSE, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)
"""The statuses that a job can be asked to go on to; the last three mean its end, whichever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Say where a job has come.

    Args:
        status: where it is.
        reached: it is where it was to go, or beyond, or at its end.
        reason: why not, for people; empty when it is.
    """

    status: JobStatus
    reached: bool
    reason: str = ""


def advance(
    jobs: JobEngine,
    workspace: WorkspaceKey,
    name: str,
    status: JobStatus,
    *,
    to: JobStatus | None,
    seconds: float,
) -> Step:
    """Let a job go on, and wait until it is there.

    Args:
        jobs: the engine.
        workspace: the job's workspace.
        name: the job's name.
        status: what its document says it is at, for a job that has ended.
        to: where it is to go; None means one step.
        seconds: how long to wait at most.
    """
    worker = jobs.worker(workspace, name)
    if worker is None:
        return Step(status=status, reached=True)
    record = worker.record
    target = to or _next(record.status)
    if record.forced:
        reason = (
            f"it is shown as {record.properties['status']} by request; put its own status "
            f"{record.status.value} back first"
        )
        return Step(status=record.status, reached=False, reason=reason)
    jobs.paces.permit(workspace, name, target)
    if record.wait_until(lambda: not record.status.precedes(target), seconds):
        return Step(status=record.status, reached=True)
    return Step(status=record.status, reached=False, reason=worker.waits_for)


def show(jobs: JobEngine, workspace: WorkspaceKey, name: str, status: JobStatus) -> Step:
    """Show a job at a status it does not come to by itself, or at its own again.

    As long as another one is shown, the job stays where it is.

    Args:
        jobs: the engine.
        workspace: the job's workspace.
        name: the job's name.
        status: what is shown: one of `FORCED`, or the job's own.
    """
    worker = jobs.worker(workspace, name)
    if worker is None:
        return Step(status=status, reached=False, reason="it has ended")
    own = worker.record.status
    forced = status in FORCED
    if not forced and status is not own:
        known = ", ".join(known.value for known in FORCED)
        reason = f"it can be shown as {known}, or as {own.value}, which it is"
        return Step(status=own, reached=False, reason=reason)
    jobs.paces.freeze(workspace, name, frozen=forced)
    if not worker.record.force(status if forced else None):
        jobs.paces.freeze(workspace, name, frozen=False)
        return Step(status=worker.record.status, reached=False, reason="it has ended")
    return Step(status=status, reached=True)


def _next(status: JobStatus) -> JobStatus:
    if status in TERMINAL:
        return status
    following = COURSE.index(status) + 1 if status in COURSE else len(COURSE)
    return COURSE[following] if following < len(COURSE) else JobStatus.COMPLETED
