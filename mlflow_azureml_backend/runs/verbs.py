"""What can be done with a run that was submitted before: the verbs of the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow import LogSelection, SilentDisplay, display_for
from mlflow_azureml_backend.registration import wished_registration
from mlflow_azureml_backend.runs.description import Download
from mlflow_azureml_backend.runs.reference import FoundRun, find_run
from mlflow_azureml_backend.runs.state import RunState, state_of
from mlflow_azureml_backend.runs.waiting import wait_for_all
from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun, attach, attach_to_local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.job import JobHandle, WorkspaceRef
    from mlflow_azureml_backend.local_run.service import LocalRun
    from mlflow_azureml_backend.workspace import Workspace
    from mlflow_azureml_backend.workspace.job_download import DownloadProgress

_EVERYTHING = LogSelection()


def open_run(
    found: FoundRun, *, display: Display | None = None, selection: LogSelection = _EVERYTHING
) -> AzureMLSubmittedRun:
    """Give the submitted run of a found run.

    Args:
        found: What `find_run` gave.
        display: Where `wait` shows status and log; default: the console.
        selection: Which log lines are shown.

    Raises:
        WorkspaceError: The workspace is out of reach.
        TrackingError: The MLflow run cannot be read.
    """
    if found.run_id is not None:
        return attach(found.run_id, display=display, selection=selection)
    from mlflow_azureml_backend.tracking.workspace_run import WorkspaceRun
    from mlflow_azureml_backend.workspace import connect

    workspace = connect(found.handle.workspace)
    if found.handle.machine is not None:
        return attach_to_local(workspace, found.handle, None, display=display, selection=selection)
    job_run = workspace.tracked_run(found.job_name)
    # The job's run in the workspace is the only one: the service ends it.
    session = WorkspaceRun(
        found.job_name, tags={}, parameters={}, wait_until_readable=job_run.wait_until_readable
    )
    shown = display or display_for(stream=True)
    return AzureMLSubmittedRun(
        workspace,
        found.handle,
        session,
        display=shown,
        selection=selection,
        on_completed=wished_registration(workspace, found.handle, None),
    )


def logs(
    reference: str,
    *,
    follow: bool = False,
    selection: LogSelection = _EVERYTHING,
    workspace: str | WorkspaceRef | None = None,
    display: Display | None = None,
) -> RunState:
    """Show a run's log; complete the MLflow run when the job has ended.

    Args:
        reference: An MLflow run id, a job's name, or `latest`.
        follow: Go on until the job has ended.
        selection: Which lines.
        workspace: Where the job is; see `find_run`.
        display: Where the lines go; default: stdout, and stderr for what is not the job's.

    Returns:
        How the run stood when the last line was shown.

    Raises:
        FollowError: Contact was lost; the job goes on.
        AzureMLBackendError: There is no such run, or the service refused.
    """
    found = find_run(reference, workspace=workspace)
    run = open_run(found, display=display, selection=selection)
    status = run.job_status
    if not (follow or status.is_terminal):
        run.show_log()
        return state_of(found, status)
    run.wait()
    outcome = run.outcome
    if outcome is None:
        return state_of(found, run.job_status)
    return state_of(found, outcome.status, error=outcome.error)


def status(reference: str, *, workspace: str | WorkspaceRef | None = None) -> RunState:
    """Look at a run's job once; changes nothing.

    Args:
        reference: An MLflow run id, a job's name, or `latest`.
        workspace: Where the job is; see `find_run`.

    Raises:
        AzureMLBackendError: There is no such run, or the service refused.
    """
    found = find_run(reference, workspace=workspace)
    details = service_of(found.handle).details(found.job_name)
    state = state_of(found, details.status, error=details.error)
    if details.steps is None:
        return state
    return replace(state, steps={step.name: step.status for step in details.steps})


def wait(
    *references: str,
    timeout: float | None = None,
    workspace: str | WorkspaceRef | None = None,
    on_change: Callable[[RunState], None] = lambda _state: None,
) -> list[RunState]:
    """Wait until runs have ended, without their logs; complete their MLflow runs.

    Args:
        references: MLflow run ids, jobs' names, or `latest`.
        timeout: Seconds after which the waiting ends all the same, or None.
        workspace: Where the jobs are; see `find_run`.
        on_change: Called with each new status of each run.

    Returns:
        How each stood at the end, in the given order; `has_ended` is false for those that had not.

    Raises:
        AzureMLBackendError: There is no such run, or the service refused.
    """
    opened = [_silent(find_run(reference, workspace=workspace)) for reference in references]
    return wait_for_all(opened, timeout=timeout, on_change=on_change)


def cancel(
    *references: str,
    workspace: str | WorkspaceRef | None = None,
    until_ended: bool = True,
    on_change: Callable[[RunState], None] = lambda _state: None,
) -> list[RunState]:
    """Cancel runs' jobs; those that have ended already stay as they are.

    Args:
        references: MLflow run ids, jobs' names, or `latest`.
        workspace: Where the jobs are; see `find_run`.
        until_ended: Wait for the jobs' ends and complete their MLflow runs.
        on_change: Called with each new status of each run.

    Returns:
        How each stood at the end, in the given order.

    Raises:
        AzureMLBackendError: There is no such run, or the service refused.
    """
    # All are found before the first is cancelled: a mistyped name cancels nothing.
    found = [find_run(reference, workspace=workspace) for reference in references]
    for each in found:
        service_of(each.handle).cancel(each.job_name)
    opened = [_silent(each) for each in found]
    if not until_ended:
        return [state_of(each, run.job_status) for each, run in opened]
    return wait_for_all(opened, on_change=on_change)


def download(
    reference: str,
    path: str | Sequence[str] = (),
    *,
    dest: str | Path | None = None,
    workspace: str | WorkspaceRef | None = None,
    progress: DownloadProgress | None = None,
) -> Download:
    """Download the artifacts of a run's job and its named outputs, several at once.

    What an earlier download left is not read again: whole files that are the same stay, broken-off
    ones are read on. Every file's size, and its MD5 where storage knows it, is checked.

    Args:
        reference: An MLflow run id, a job's name, or `latest`.
        path: Files, folders or patterns below the run; outputs are `named-outputs/OUTPUT/…`. None:
            everything.
        dest: The folder; default: one in the working directory with the job's name.
        workspace: Where the job is; see `find_run`.
        progress: Is told how far it is.

    Returns:
        What became of each file; `is_complete` tells whether all are there.

    Raises:
        NotFoundError: There is no such run, or a path fits nothing.
        AzureMLBackendError: The service refused.
    """
    found = find_run(reference, workspace=workspace)
    folder = Path(dest or found.job_name).expanduser()
    files = service_of(found.handle).download(
        found.job_name,
        paths=[path] if isinstance(path, str) else path,
        dest=folder,
        progress=progress,
    )
    return Download(
        run_id=found.run_id or found.job_name,
        job_name=found.job_name,
        dest=folder,
        files=tuple(files),
    )


def service_of(handle: JobHandle) -> Workspace | LocalRun:
    """Give what answers for a run: its workspace, or its folder where it is no job's.

    Args:
        handle: The run.
    """
    from mlflow_azureml_backend.local_run.service import LocalRun
    from mlflow_azureml_backend.workspace import connect

    workspace = connect(handle.workspace)
    return workspace if handle.machine is None else LocalRun(workspace, handle)


def _silent(found: FoundRun) -> tuple[FoundRun, AzureMLSubmittedRun]:
    return found, open_run(found, display=SilentDisplay())
