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
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import (
    NotFoundError,
    QuotaError,
    TrackingError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.job import JobHandle, JobStatus, RunOutcome
from mlflow_azureml_backend.tracking.handle_tags import JOB_NAME, STUDIO_URL, tags_of
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun, SourceRun
from mlflow_azureml_backend.tracking.run_tags import BACKEND_VERSION, DIRTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.tracking.session import TrackingSession

_logger = logging.getLogger(__name__)

SOURCE_RUN = "azureml.source_run"
"""The tag that names the workspace's run which a child run mirrors."""

_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_TO_END = 30.0
_ATTEMPTS = 3
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


def with_children(session: TrackingSession, service: RunSource, job_name: str) -> TrackingSession:
    """Give the session of a job with the runs that the job starts.

    In the workspace's own store they are child runs already.

    Args:
        session: The run of the job.
        service: The workspace.
        job_name: The job.
    """
    if not isinstance(session, MirroredRun):
        return session
    return SessionWithChildren(session, service, job_name)


class SessionWithChildren:
    """Mirror the runs that a job starts, while it goes on and at its end.

    Args:
        session: The user's run of the job.
        service: The workspace.
        job_name: The job.
        pause: Waits so many seconds between looks.
    """

    def __init__(
        self,
        session: MirroredRun,
        service: RunSource,
        job_name: str,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run_id = session.run_id
        self._session = session
        self._job_name = job_name
        self._children = MirroredChildren(service)
        self._pause = pause
        self._finished = False
        self._last_look = time.monotonic()

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job."""
        self._session.submitted(handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the run of a job that does not exist; give the reason that was noted first."""
        return self._session.failed_to_submit(reason)

    def update(self) -> None:
        """Look at the children, at most every few seconds; trouble is left for the next time."""
        self._session.update()
        if time.monotonic() - self._last_look < _SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = time.monotonic()
        try:
            self._children.mirror(self.run_id, self._job_name)
        except (WorkspaceError, MlflowException, TrackingError) as error:
            _logger.debug("The child runs of '%s' wait: %s", self._job_name, error)

    def finish(self, outcome: RunOutcome) -> None:
        """Mirror the children, then end the run as its job ended."""
        if not self._finished:
            self._finish_children(outcome)
        self._session.finish(outcome)
        self._finished = True

    def _finish_children(self, outcome: RunOutcome) -> None:
        # They are cancelled with the job, and need a moment for it.
        patience = _SECONDS_TO_END if outcome.status is JobStatus.CANCELED else 0.0
        deadline = time.monotonic() + patience
        attempts = _ATTEMPTS
        while True:
            try:
                if self._children.mirror(self.run_id, self._job_name):
                    return
            except NotFoundError:
                return  # a job that never started has no run
            except WorkspaceError as error:
                attempts -= 1
                if not attempts or not isinstance(error, (UnavailableError, QuotaError)):
                    # The run must end all the same.
                    _logger.warning(
                        "The child runs of '%s' could not be mirrored; `mlflow-azureml wait %s` "
                        "tries it again. %s",
                        self._job_name,
                        self.run_id,
                        error,
                    )
                    return
            except MlflowException as error:
                raise TrackingError(
                    f"The child runs of '{self._job_name}' could not be logged below MLflow run "
                    f"'{self.run_id}': {error.message}"
                ) from error
            else:
                if time.monotonic() >= deadline:
                    return
            self._pause(1.0)


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
            TrackingError: It refused the end of a run.
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
                run.finish(RunOutcome(status=status))
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
            run = self._client.create_run(
                self._client.get_run(parent).info.experiment_id,
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
