"""The runs that a job has started, as child runs in the user's own store.

In the workspace they are children by MLflow's own tag, whether they are jobs of their own or were
opened by the job's code.
"""

from __future__ import annotations

import logging
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import RunTag
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, JobStatus, RunOutcome
from mlflow_azureml_backend.tracking.handle_tags import (
    JOB_NAME,
    MIRROR_ARTIFACTS,
    STUDIO_URL,
    tags_of,
)
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.run_tags import BACKEND_VERSION, DIRTY
from mlflow_azureml_backend.tracking.source_run import SourceRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.job import WorkspaceRef

_logger = logging.getLogger(__name__)

SOURCE_RUN = "azureml.source_run"
"""The tag that names the workspace's run which a child run mirrors."""

# What describes a run in any store.
_CARRIED = (
    *("mlflow.runName", "mlflow.user", "mlflow.project.", "mlflow.source."),
    *(BACKEND_VERSION, DIRTY),
)
_ENDS = MappingProxyType(
    {
        "FINISHED": JobStatus.COMPLETED,
        "FAILED": JobStatus.FAILED,
        "KILLED": JobStatus.CANCELED,
    }
)


class ParentRun(SourceRun, Protocol):
    """A run of the workspace, which may have child runs."""

    def children(self, *, brief: bool = False) -> Iterator[dict[str, Any]]:
        """Give MLflow's run object of each child run, the oldest first; `brief`: in one attempt."""


class RunSource(Protocol):
    """The little of a workspace that child runs are mirrored from."""

    @property
    def ref(self) -> WorkspaceRef:
        """The workspace's name."""

    def tracked_run(self, job_name: str) -> ParentRun:
        """Give a run of the workspace by its id."""


class MirroredChildren:
    """Open a child run for each run that a run has started, and keep the two equal.

    Like mirroring itself this can be done again, by any process: a child is found by a tag.

    Args:
        service: The workspace.
    """

    def __init__(self, service: RunSource) -> None:
        self._service = service
        self._client = MlflowClient()
        self._known: dict[str, dict[str, MirroredRun]] = {}
        self._ended: set[str] = set()

    def mirror(self, run_id: str, source_id: str) -> bool:
        """Bring the children of a run up to date, and theirs, and end those that have ended.

        Args:
            run_id: The user's run.
            source_id: The run in the workspace that it mirrors.

        Returns:
            Whether all of them that are jobs have ended.

        Raises:
            WorkspaceError: The workspace's runs could not be read.
            MlflowException: The user's store refused.
        """
        all_ended = True
        for child in self._service.tracked_run(source_id).children(brief=True):
            name = str(child["info"]["run_id"])
            if name in self._ended:
                continue
            run = self._run(run_id, name, child)
            all_ended &= self.mirror(run.run_id, name)
            status = _ENDS.get(str(child["info"].get("status")))
            if status is None:
                run.update()
                # One that the job's own process has left open stays so.
                all_ended &= _tags(child).get(JOB_NAME) != name
            else:
                try:
                    run.finish(RunOutcome(status=status))
                except TrackingError as error:
                    # A child that somebody deleted must not keep the parent's run from its end.
                    _logger.warning("Child run '%s' is not mirrored: %s", name, error)
                self._ended.add(name)
        return all_ended

    def _run(self, parent: str, name: str, child: Mapping[str, Any]) -> MirroredRun:
        said = _tags(child)
        tags = {key: value for key, value in said.items() if key.startswith(_CARRIED)}
        if said.get(JOB_NAME) == name:
            handle = JobHandle(
                workspace=self._service.ref, job_name=name, studio_url=said.get(STUDIO_URL)
            )
            tags |= tags_of(handle)
        known = self._runs_below(parent)
        if name not in known:
            above = self._client.get_run(parent)
            if MIRROR_ARTIFACTS in above.data.tags:
                tags[MIRROR_ARTIFACTS] = above.data.tags[MIRROR_ARTIFACTS]
            run = self._client.create_run(
                above.info.experiment_id,
                start_time=int(child["info"].get("start_time") or time.time() * 1000),
                tags={**tags, "mlflow.parentRunId": parent, SOURCE_RUN: name},
            )
            known[name] = MirroredRun(run.info.run_id, self._service.tracked_run(name))
        else:
            # A job is tagged a moment after it has begun.
            mine = self._client.get_run(known[name].run_id).data.tags
            late = [RunTag(key, value) for key, value in tags.items() if mine.get(key) != value]
            if late:
                self._client.log_batch(known[name].run_id, tags=late)
        return known[name]

    def _runs_below(self, parent: str) -> dict[str, MirroredRun]:
        """Find the child runs that an earlier look, perhaps of another process, has opened."""
        if parent not in self._known:
            found: dict[str, MirroredRun] = {}
            token = None
            while True:
                page = self._client.search_runs(
                    [self._client.get_run(parent).info.experiment_id],
                    filter_string=f"tags.mlflow.parentRunId = '{parent}'",
                    page_token=token,
                )
                for run in page:
                    if name := run.data.tags.get(SOURCE_RUN):
                        source = self._service.tracked_run(name)
                        found[name] = MirroredRun(run.info.run_id, source)
                token = page.token
                if not token:
                    break
            self._known[parent] = found
        return self._known[parent]


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in run.get("data", {}).get("tags", [])}
