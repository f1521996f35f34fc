"""The tags by which a run is found again from its id alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_NAME = "azureml.job_name"
WORKSPACE = "azureml.workspace"
STUDIO_URL = "azureml.studio_url"
# The machine that a run without a job (`compute: local`) runs on.
MACHINE = "azureml.local_run"
FAILURE = "azureml.submission_error"
# Says that the run holds all that its job logged, and with which status the job ended.
MIRRORED = "azureml.mirrored"
# Where the run lives and its job logs: one of the config's values of `tracking`.
TRACKING = "azureml.tracking"
# What the service says of a job that failed.
ERROR = "azureml.error"
# MLflow's limit on a tag's value.
TAG_LENGTH = 5000
# The config's choice, which whoever completes the run needs.
MIRROR_ARTIFACTS = "azureml.mirror_artifacts"


def tags_of(handle: JobHandle) -> dict[str, str]:
    """Write a handle as run tags."""
    tags = {JOB_NAME: handle.job_name, WORKSPACE: handle.workspace.arm_id}
    if handle.studio_url:
        tags[STUDIO_URL] = handle.studio_url
    if handle.machine:
        tags[MACHINE] = handle.machine
    return tags


def handle_of(run_id: str, tags: Mapping[str, str], *, tracking_uri: str) -> JobHandle:
    """Read a handle back from run tags.

    In a workspace's own store the run is a job's even without tags: its id is the job's name.

    Args:
        run_id: The MLflow run.
        tags: Its tags.
        tracking_uri: The store that it lives in.

    Raises:
        TrackingError: The run was not submitted by this backend.
    """
    workspace = WorkspaceRef.find_in(tags.get(WORKSPACE, ""))
    job_name = tags.get(JOB_NAME)
    if (workspace is None or not job_name) and tracking_uri.startswith("azureml:"):
        workspace, job_name = WorkspaceRef.find_in(tracking_uri), run_id
    if workspace is None or not job_name:
        raise TrackingError(
            f"MLflow run '{run_id}' has no Azure ML job: it lacks the tags {JOB_NAME} and "
            f"{WORKSPACE}."
        )
    return JobHandle(
        workspace=workspace,
        job_name=job_name,
        studio_url=tags.get(STUDIO_URL),
        machine=tags.get(MACHINE),
    )


def handle_of_run(run_id: str) -> JobHandle:
    """Find the job of an MLflow run in the current tracking store.

    Raises:
        TrackingError: There is no such run, or it has no job.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient, get_tracking_uri

    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        raise TrackingError(
            f"There is no MLflow run '{run_id}' in {get_tracking_uri()}: {error.message}"
        ) from error
    return handle_of(run_id, run.data.tags, tracking_uri=get_tracking_uri())
