"""The children of a job, trials or steps, as child runs in the user's own store."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow.entities import Param
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import EMPTY, JobHandle, RunOutcome
from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.handle_tags import JOB_NAME, MIRROR_ARTIFACTS, tags_of
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlflow_azureml_backend.job import JobStatus, WorkspaceRef
    from mlflow_azureml_backend.tracking.source_run import SourceRun

_logger = logging.getLogger(__name__)

_PARAMS_A_BATCH = 100  # MLflow's limit on one request


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildJob:
    """One look at a child of a job.

    Args:
        job_name: The child's job.
        name: What its run is called.
        params: What it was given.
        tags: What its run says of it.
        error: Why it failed, or None.
    """

    job_name: str
    name: str
    status: JobStatus
    params: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    error: str | None = None


class ChildRuns:
    """Open a child run for each child of a job, and keep it equal to the child's own.

    Like mirroring itself this can be done again, by any process: a child's run is found by the
    name of its job.

    Args:
        parent: The user's run of the job.
        workspace: Where the children run.
        source: Gives the run of a child in the workspace, by its job.
    """

    def __init__(
        self,
        parent: str,
        *,
        workspace: WorkspaceRef,
        source: Callable[[str], SourceRun],
    ) -> None:
        self._parent = parent
        self._workspace = workspace
        self._source = source
        self._client = MlflowClient()
        self._runs: dict[str, MirroredRun] | None = None
        self._experiment = ""
        self._choices: dict[str, str] = {}
        self._finished: set[str] = set()

    def mirror(self, children: Iterable[ChildJob]) -> None:
        """Bring the child runs up to date, and end those whose jobs have ended.

        Args:
            children: In the order in which they began.

        Raises:
            MlflowException: The user's store refused.
        """
        for child in children:
            if child.job_name in self._finished:
                continue
            run = self._run(child)
            if child.status.is_terminal:
                try:
                    run.finish(RunOutcome(status=child.status, error=child.error))
                except TrackingError as error:
                    # A child that somebody deleted must not keep the parent's run from its end.
                    _logger.warning("Child '%s' is not mirrored: %s", child.job_name, error)
                self._finished.add(child.job_name)
            else:
                run.update()

    def _run(self, child: ChildJob) -> MirroredRun:
        known = self._known_runs()
        if child.job_name not in known:
            handle = JobHandle(workspace=self._workspace, job_name=child.job_name)
            tags = {
                **child.tags,
                **tags_of(handle),
                **self._choices,
                "mlflow.parentRunId": self._parent,
                "mlflow.runName": child.name,
            }
            run_id = self._client.create_run(self._experiment, tags=tags).info.run_id
            params = [Param(name, value) for name, value in child.params.items()]
            for batch in batches(params, _PARAMS_A_BATCH):
                self._client.log_batch(run_id, params=batch)
            known[child.job_name] = MirroredRun(run_id, self._source(child.job_name))
        return known[child.job_name]

    def _known_runs(self) -> dict[str, MirroredRun]:
        """Find the child runs that an earlier look, perhaps of another process, has opened."""
        if self._runs is None:
            parent = self._client.get_run(self._parent)
            self._experiment = parent.info.experiment_id
            self._choices = {
                key: value for key, value in parent.data.tags.items() if key == MIRROR_ARTIFACTS
            }
            found: dict[str, MirroredRun] = {}
            token = None
            while True:
                page = self._client.search_runs(
                    [self._experiment],
                    filter_string=f"tags.mlflow.parentRunId = '{self._parent}'",
                    page_token=token,
                )
                for run in page:
                    if name := run.data.tags.get(JOB_NAME):
                        found[name] = MirroredRun(run.info.run_id, self._source(name))
                token = page.token
                if not token:
                    break
            self._runs = found
        return self._runs
