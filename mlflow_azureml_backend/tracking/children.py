"""Which session a job's run needs: one with trials, with steps, or with what its job starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.tracking.children_session import with_nested_runs
from mlflow_azureml_backend.tracking.mirrored_children import RunSource
from mlflow_azureml_backend.tracking.pipeline_session import PipelineService, PipelineSession
from mlflow_azureml_backend.tracking.sweep_session import SweepService, SweepSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.tracking.session import TrackingSession


class ParentService(RunSource, SweepService, PipelineService, Protocol):
    """What the run of any job may need of the workspace."""

    def job_type(self, job_name: str) -> str:
        """Name the kind of a job in the service's words."""


def with_children(
    session: TrackingSession,
    service: ParentService,
    job_name: str,
    *,
    tell: Callable[[str], None],
    spec: JobSpec | None = None,
) -> TrackingSession:
    """Give the session of a job, with its trials or steps where it has any.

    Args:
        session: The run of the job.
        service: The workspace.
        job_name: The job.
        tell: Shows the user a line.
        spec: What is being submitted; None for a job that was submitted before.

    Raises:
        WorkspaceError: The job could not be read.
    """
    kind = service.job_type(job_name) if spec is None else ""
    if kind == "Sweep" or (spec is not None and spec.sweep is not None):
        return SweepSession(session, service, job_name, tell=tell)
    if kind == "Pipeline" or (spec is not None and spec.pipeline is not None):
        pipeline = None if spec is None else spec.pipeline
        return PipelineSession(session, service, job_name, pipeline=pipeline)
    return with_nested_runs(session, service, job_name)
