"""Find a submitted run again, from any process, by its MLflow run id alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.tracking import get_tracking_uri

from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun, display_for
from mlflow_azureml_backend.tracking import handle_of_run, reopen_run
from mlflow_azureml_backend.workspace import connect

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow import Display


def attach(run_id: str, *, display: Display | None = None) -> AzureMLSubmittedRun:
    """Give the submitted run of an MLflow run in the current tracking store.

    Its `wait` shows the whole log and completes the MLflow run, even if the job ended long ago.

    Args:
        run_id: The MLflow run.
        display: Where `wait` shows status and log; default: the console.

    Raises:
        TrackingError: There is no such run, or it was not submitted by this backend.
        WorkspaceError: The job's workspace is out of reach.
    """
    handle = handle_of_run(run_id)
    workspace = connect(handle.workspace)
    session = reopen_run(
        run_id,
        job_run=workspace.tracked_run(handle.job_name),
        workspace=handle.workspace,
        tracking_uri=get_tracking_uri(),
    )
    return AzureMLSubmittedRun(
        workspace, handle, session, display=display or display_for(stream=True)
    )
