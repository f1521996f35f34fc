"""Which job is meant: by an MLflow run id, a job's name, or `latest`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.location import workspace_named
from mlflow_azureml_backend.errors import ConfigError, NotFoundError, TrackingError
from mlflow_azureml_backend.job import JobHandle, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.tracking.search import StoredRun

LATEST = "latest"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_JOB_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A job that was asked for.

    Args:
        handle: The job.
        run_id: The MLflow run that mirrors it in the user's own store, or None where there is
            none to complete: the job's run in the workspace is then the only one.
    """

    handle: JobHandle
    run_id: str | None

    @property
    def job_name(self) -> str:
        """The Azure ML job's name."""
        return self.handle.job_name


def find_run(reference: str, *, workspace: str | WorkspaceRef | None = None) -> FoundRun:
    """Find the job that a user means.

    Args:
        reference: An MLflow run id of the current tracking store, a job's name, or `latest`: the
            newest run of this backend in the store, or the newest job of the workspace where a
            workspace is named or is the store.
        workspace: Where the job is: `emulator`, the path of a `config.json`, or an ARM id. Without
            it the run's tags say it, then the tracking URI, variables and a `config.json` found
            upward from the working directory.

    Raises:
        NotFoundError: There is no such run or job; says where was looked.
        ConfigError: The workspace is not named in a way that can be read.
        TrackingError: The tracking store does not answer.
        WorkspaceError: The workspace is out of reach.
    """
    reference = reference.strip()
    ref = workspace_named(workspace)
    if reference == LATEST:
        return _latest(ref)
    if not _JOB_NAME.fullmatch(reference):
        raise NotFoundError(
            f"{reference!r} is neither an MLflow run id, nor a job's name, nor `{LATEST}`."
        )
    if (stored := _stored(reference, ref)) is not None:
        return stored
    where = ref or _discovered()
    if where is None:
        raise NotFoundError(
            f"There is no MLflow run or job '{reference}' in the tracking store {_store()}. If it "
            "is the name of a job that another store knows, name its workspace: --workspace."
        )
    try:
        return FoundRun(handle=_job(where, reference), run_id=None)
    except NotFoundError as error:
        raise NotFoundError(
            f"There is no run '{reference}' in the tracking store {_store()}, and no job of that "
            f"name in workspace '{where.workspace_name}'."
        ) from error


def workspace_store() -> WorkspaceRef | None:
    """Give the workspace that is the current tracking store itself, or None."""
    uri = _store()
    return WorkspaceRef.find_in(uri) if uri.startswith("azureml:") else None


def _stored(reference: str, workspace: WorkspaceRef | None) -> FoundRun | None:
    """Look in the user's own store, which a workspace is not."""
    from mlflow_azureml_backend.tracking import handle_of_run
    from mlflow_azureml_backend.tracking.search import has_run, store_exists

    if workspace_store() is not None or not store_exists(_store()):
        return None
    if _RUN_ID.fullmatch(reference) and has_run(reference):
        return FoundRun(handle=handle_of_run(reference), run_id=reference)
    found = list(_of(workspace, job_name=reference))
    if len({run.handle.workspace for run in found}) > 1:
        places = ", ".join(sorted(run.handle.workspace.arm_id for run in found))
        raise TrackingError(
            f"The job's name '{reference}' is of several workspaces: {places}. Name the run's id, "
            "or the workspace with --workspace."
        )
    return FoundRun(handle=found[0].handle, run_id=found[0].run_id) if found else None


def _latest(workspace: WorkspaceRef | None) -> FoundRun:
    from mlflow_azureml_backend.tracking.search import store_exists
    from mlflow_azureml_backend.workspace import connect

    where = workspace or workspace_store()
    if where is not None:
        job = next(connect(where).jobs(), None)
        if job is None:
            raise NotFoundError(f"Workspace '{where.workspace_name}' has no job.")
        handle = JobHandle(workspace=where, job_name=job.job_name, studio_url=job.studio_url)
        return _stored(job.job_name, where) or FoundRun(handle=handle, run_id=None)
    newest = next(_of(None, limit=1), None) if store_exists(_store()) else None
    if newest is None:
        raise NotFoundError(
            f"The tracking store {_store()} has no run of this backend. Set MLFLOW_TRACKING_URI or "
            "give --tracking-uri, or name a workspace with --workspace."
        )
    return FoundRun(handle=newest.handle, run_id=newest.run_id)


def _of(
    workspace: WorkspaceRef | None, *, job_name: str | None = None, limit: int | None = None
) -> Iterator[StoredRun]:
    from mlflow_azureml_backend.tracking.search import stored_runs

    for run in stored_runs(job_name=job_name, limit=limit):
        if workspace is None or run.handle.workspace.arm_id.lower() == workspace.arm_id.lower():
            yield run


def _job(workspace: WorkspaceRef, job_name: str) -> JobHandle:
    from mlflow_azureml_backend.tracking.handle_tags import MACHINE, handle_of
    from mlflow_azureml_backend.workspace import connect

    opened = connect(workspace)
    try:
        return opened.handle(job_name)
    except NotFoundError:
        tags = opened.tracked_run(job_name).tags()
        if MACHINE not in tags:  # a run that another program opened
            raise
        return handle_of(job_name, tags, tracking_uri=opened.tracking_uri)


def _discovered() -> WorkspaceRef | None:
    """Find the workspace as a run without `workspace` in its config would."""
    try:
        return locate_workspace(
            None, tracking_uri=_store(), environ=os.environ, project_root=Path.cwd()
        )
    except ConfigError:
        return None


def _store() -> str:
    from mlflow_azureml_backend.tracking.search import current_store

    return current_store()
