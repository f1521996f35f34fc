"""List runs: those of the user's store, or the jobs of a workspace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.location import workspace_named
from mlflow_azureml_backend.errors import ConfigError, WorkspaceError
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.runs.reference import workspace_store
from mlflow_azureml_backend.runs.state import as_text, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.tracking.search import StoredRun
    from mlflow_azureml_backend.workspace import Workspace
    from mlflow_azureml_backend.workspace.job_list import ListedJob

_LOOKS_AT_ONCE = 8
_MOST_LOOKS = 200
_RUN_STATUSES = ("SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One line of a list of runs.

    Args:
        status: The job's status in the service's spelling where the workspace was asked, else the
            MLflow run's, as it was last written.
        created: When it was submitted, or the MLflow run was opened.
    """

    run_id: str
    job_name: str
    status: str
    experiment_name: str
    name: str | None
    workspace: WorkspaceRef
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    studio_url: str | None

    def age(self, now: datetime) -> float | None:
        """Give the seconds since it was submitted."""
        return seconds_between(self.created, now)

    def duration(self, now: datetime) -> float | None:
        """Give the seconds that it has run, until now where it has not ended."""
        ended = (
            self.status in {"FINISHED", "FAILED", "KILLED"} or JobStatus(self.status).is_terminal
        )
        return seconds_between(self.started, self.ended or (None if ended else now))

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "run_id": self.run_id,
            "job_name": self.job_name,
            "status": self.status,
            "experiment": self.experiment_name,
            "name": self.name,
            "workspace": self.workspace.arm_id,
            "created": as_text(self.created),
            "started": as_text(self.started),
            "ended": as_text(self.ended),
            "seconds": self.duration(datetime.now(timezone.utc)),
            "studio_url": self.studio_url,
        }


def list_runs(
    *,
    experiment: str | None = None,
    status: str | Sequence[str] = (),
    limit: int | None = 20,
    workspace: str | WorkspaceRef | None = None,
) -> list[ListedRun]:
    """List runs of this backend, newest first.

    Args:
        experiment: Only those of the experiment of this name (or, in a store, this id).
        status: Only those at one of these statuses, in Azure ML's words or MLflow's.
        limit: At most so many; None for all. Of a workspace's jobs, only the newest 200 are asked
            when they started and ended.
        workspace: List this workspace's jobs instead of the tracking store's runs. Without it
            that is done where the tracking store is a workspace.

    Raises:
        ConfigError: A status or the workspace is none.
        TrackingError: The tracking store does not answer, or has no such experiment.
        WorkspaceError: The workspace is out of reach.
    """
    wanted = statuses_named([status] if isinstance(status, str) else status)
    where = workspace_named(workspace) or workspace_store()
    if where is not None:
        return _jobs(where, experiment, wanted, limit)
    return list(islice(_stored(experiment, wanted, limit), limit))


def statuses_named(words: Iterable[str]) -> frozenset[JobStatus]:
    """Read words for statuses: Azure ML's, or MLflow's, each of which stands for several.

    Args:
        words: Such as `Running`, `canceled` or `FINISHED`.

    Raises:
        ConfigError: A word is none of them; names all.
    """
    found: set[JobStatus] = set()
    for word in words:
        mlflows = {status for status in JobStatus if status.to_run_status() == word.upper()}
        azures = {status for status in JobStatus if status.value.lower() == word.lower()}
        # `RUNNING` is MLflow's word and `Running` Azure ML's, which means less.
        meant = mlflows if word in _RUN_STATUSES else azures or mlflows
        if not meant:
            names = ", ".join([*(status.value for status in JobStatus), *_RUN_STATUSES])
            raise ConfigError(f"--status {word}: there is no such status. There are: {names}.")
        found |= meant
    return frozenset(found)


def _stored(
    experiment: str | None, wanted: frozenset[JobStatus], limit: int | None
) -> Iterator[ListedRun]:
    from mlflow_azureml_backend.tracking.search import current_store, store_exists, stored_runs

    if not store_exists(current_store()):
        return
    statuses = frozenset(status.to_run_status() for status in wanted)
    for run in stored_runs(experiment=experiment, statuses=statuses, limit=limit):
        yield _of_store(run)


def _of_store(run: StoredRun) -> ListedRun:
    return ListedRun(
        run_id=run.run_id,
        job_name=run.handle.job_name,
        status=run.status,
        experiment_name=run.experiment_name,
        name=run.name,
        workspace=run.handle.workspace,
        created=run.started,
        started=run.started,
        ended=run.ended,
        studio_url=run.handle.studio_url,
    )


def _jobs(
    where: WorkspaceRef, experiment: str | None, wanted: frozenset[JobStatus], limit: int | None
) -> list[ListedRun]:
    from mlflow_azureml_backend.workspace import connect

    workspace = connect(where)
    found = (
        job
        for job in workspace.jobs()
        if (not wanted or job.status in wanted)
        and (experiment is None or job.experiment_name == experiment)
    )
    chosen = list(islice(found, limit))
    # The list does not know when a job started and ended: run history does, a request each.
    with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="list") as pool:
        timed = list(pool.map(lambda job: _times(workspace, job), chosen[:_MOST_LOOKS]))
    timed += [(None, None)] * (len(chosen) - len(timed))
    return [_of_workspace(workspace, job, *times) for job, times in zip(chosen, timed, strict=True)]


def _times(workspace: Workspace, job: ListedJob) -> tuple[datetime | None, datetime | None]:
    try:
        return workspace.times(job.job_name)
    except WorkspaceError:  # a list that lacks a duration is better than none
        return None, None


def _of_workspace(
    workspace: Workspace, job: ListedJob, started: datetime | None, ended: datetime | None
) -> ListedRun:
    return ListedRun(
        run_id=job.job_name,
        job_name=job.job_name,
        status=job.status.value,
        experiment_name=job.experiment_name,
        name=job.display_name,
        workspace=workspace.ref,
        created=job.created,
        started=started,
        ended=ended,
        studio_url=job.studio_url,
    )
