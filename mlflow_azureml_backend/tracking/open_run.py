"""Choose the store that a run lives in, and open it there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, WorkspaceRef
from mlflow_azureml_backend.tracking.artifact_listing import SMALL
from mlflow_azureml_backend.tracking.choice import Mode, is_workspace_store
from mlflow_azureml_backend.tracking.client import current_client
from mlflow_azureml_backend.tracking.handle_tags import MIRROR_ARTIFACTS, TRACKING, tags_of
from mlflow_azureml_backend.tracking.live_run import LiveRun
from mlflow_azureml_backend.tracking.lock_record import lock_tags, log_lock
from mlflow_azureml_backend.tracking.model_registry import wish_tags
from mlflow_azureml_backend.tracking.own_run import end_unsubmitted
from mlflow_azureml_backend.tracking.run_tags import project_tags
from mlflow_azureml_backend.tracking.shared_run import SharedRun
from mlflow_azureml_backend.tracking.workspace_run import WorkspaceRun

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from mlflow_azureml_backend.locking.environment_lock import LockedEnvironment
    from mlflow_azureml_backend.model_spec import ModelSpec
    from mlflow_azureml_backend.project import ProjectSpec
    from mlflow_azureml_backend.tracking.session import TrackingSession
    from mlflow_azureml_backend.tracking.source_run import SourceRun

    class JobRun(SourceRun, Protocol):
        """The workspace's run of a job."""

        def wait_until_readable(self) -> None:
            """Return once the run can be read."""


def open_run(
    project: ProjectSpec,
    *,
    job_name: str,
    job_run: JobRun,
    workspace: WorkspaceRef,
    mode: Mode,
    experiment_id: str,
    backend_name: str,
    run_name: str | None,
    parameters: dict[str, str],
    locked: LockedEnvironment | None = None,
    model: ModelSpec | None = None,
    mirror_artifacts: str = SMALL,
    tell: Callable[[str], None] = lambda _line: None,
) -> TrackingSession:
    """Open the MLflow run of a job that is about to be submitted.

    In the workspace the run is the job's. Any other store gets a run of its own, which the job
    logs to itself, or which mirrors the job's.

    Args:
        project: What runs.
        job_name: The job's name, chosen already.
        job_run: The run that the job will log to.
        workspace: Where the job will run.
        mode: Where the run lives and the job logs.
        experiment_id: The experiment that MLflow chose.
        backend_name: The name the user chose the backend by.
        run_name: `--run-name`, or None.
        parameters: All parameters of the entry point with their values, to be logged.
        locked: The locked environment that the job gets, to be logged.
        model: What is to be registered when the job has completed, or None.
        mirror_artifacts: Which artifacts are mirrored: `none`, `small` or `all`.
        tell: Shows the user a line.

    Raises:
        TrackingError: The store refused the run; nothing was submitted.
    """
    tags = project_tags(project, backend_name=backend_name, run_name=run_name)
    tags |= lock_tags(locked) | wish_tags(model)
    if mode is Mode.WORKSPACE:
        return WorkspaceRun(
            job_name,
            tags=tags,
            parameters=parameters,
            wait_until_readable=job_run.wait_until_readable,
            locked=locked,
        )
    # The handle comes with the run itself, before the job exists: a client that dies at any moment
    # from here on leaves a run by which the job is found, or found never to have been submitted.
    tags |= {**tags_of(JobHandle(workspace=workspace, job_name=job_name)), TRACKING: mode.value}
    # Another process may be the one that completes the run.
    tags[MIRROR_ARTIFACTS] = mirror_artifacts
    client = current_client()
    run_id = None
    opened = time.monotonic()
    try:
        run_id = client.create_run(experiment_id, tags=tags).info.run_id
        if parameters:
            params = [Param(key, value) for key, value in parameters.items()]
            client.log_batch(run_id, params=params)
    except MlflowException as error:
        if run_id is not None:
            end_unsubmitted(client, run_id, error.message)
        raise TrackingError(f"No MLflow run could be opened: {error.message}") from error
    log_lock(run_id, locked)
    if mode is Mode.MIRROR:
        return LiveRun(run_id, job_run, opened=opened, tell=tell)
    return SharedRun(run_id, opened=opened)


def reopen_run(
    run_id: str,
    *,
    job_run: JobRun,
    workspace: WorkspaceRef,
    tracking_uri: str,
    tell: Callable[[str], None] = lambda _line: None,
) -> TrackingSession:
    """Take up the MLflow run of a job that was submitted before, by any process.

    Raises:
        TrackingError: The store does not answer.
    """
    if is_workspace_store(tracking_uri, workspace):
        return WorkspaceRun(
            run_id, tags={}, parameters={}, wait_until_readable=job_run.wait_until_readable
        )
    try:
        mode = current_client().get_run(run_id).data.tags.get(TRACKING)
    except MlflowException as error:
        raise TrackingError(f"MLflow run '{run_id}': {error.message}") from error
    if mode in {Mode.SHARED.value, Mode.BOTH.value}:
        return SharedRun(run_id)
    return LiveRun(run_id, job_run, tell=tell)
