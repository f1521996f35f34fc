"""A local run as those who follow it see it: by its folder, or by what the workspace has of it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.job import (
    Artifact,
    ComputeState,
    JobDetails,
    JobStatus,
    LogPart,
    RunSummary,
)
from mlflow_azureml_backend.local_run.failure import failure_text
from mlflow_azureml_backend.local_run.folder import Ending, RunFolder
from mlflow_azureml_backend.local_run.machine import this_machine
from mlflow_azureml_backend.local_run.outputs import changed_outputs
from mlflow_azureml_backend.project.snapshot_files import SnapshotFile
from mlflow_azureml_backend.timestamps import instant
from mlflow_azureml_backend.workspace.job_facts import JobFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from mlflow_azureml_backend.job import JobHandle
    from mlflow_azureml_backend.workspace import Workspace
    from mlflow_azureml_backend.workspace.job_download import DownloadProgress
    from mlflow_azureml_backend.workspace.local_file import DownloadedFile

LOG = "user_logs/std_log.txt"
CODE = "code"
ERROR = "azureml.error"
_STATUS = {
    "FINISHED": JobStatus.COMPLETED,
    "FAILED": JobStatus.FAILED,
    "KILLED": JobStatus.CANCELED,
}
# Whoever follows looks ever more seldom while nothing happens; a look here can wait for news.
_LONGEST_LOOK = 14.0
_TICK = 0.1
_SECONDS_TO_START = 30.0
_LOST = (
    "The process that ran the project on this machine is gone without a word: it was killed, or "
    "the machine was restarted."
)


class LocalRun:
    """One local run, as following needs it; answers what a workspace answers for a job.

    Args:
        workspace: The workspace that tracks it.
        handle: The run.
    """

    def __init__(self, workspace: Workspace, handle: JobHandle) -> None:
        self.folder = RunFolder.of(handle.job_name)
        self._workspace = workspace
        self._handle = handle
        self._has_looked = False
        self._read_to = -1

    @property
    def is_here(self) -> bool:
        """Whether the run is of this machine."""
        return self._handle.machine == this_machine()

    def details(self, job_name: str, *, brief: bool = False) -> JobDetails:
        """Take one look; `brief`: one that waits for an end, if it is not the first."""
        if brief and self._has_looked:
            self._wait_for_news(lambda: False)
        self._has_looked = True
        if not self.folder.exists:
            return self._tracked(job_name)
        started = self.folder.request().started
        ending = self._ending_now()
        if ending is None:
            return JobDetails(
                status=JobStatus.RUNNING,
                log_files=MappingProxyType({LOG: str(self.folder.log)}),
                created_time=_moment(started),
                start_time=_moment(started),
            )
        return JobDetails(
            status=status_of(ending),
            log_files=MappingProxyType({LOG: str(self.folder.log)}),
            error=failure_text(ending, self.folder.log),
            created_time=_moment(started),
            start_time=_moment(started),
            end_time=_moment(ending.ended),
        )

    def read_log(self, url: str, *, offset: int, size: int) -> LogPart:
        """Read part of the log; at its end, the second time, wait for more."""
        if "://" in url:
            return self._workspace.read_log(url, offset=offset, size=size)
        part = self._part(offset, size)
        if not part.data and offset == self._read_to:
            self._wait_for_news(lambda: bool(self._part(offset, 1).data))
            part = self._part(offset, size)
        self._read_to = offset if not part.data else -1
        return part

    def cancel(self, job_name: str) -> None:
        """Ask for the run's end; of one that is not of this machine the record is ended."""
        if self.folder.exists:
            self.folder.request_cancel()
            return
        run = self._workspace.written_run(job_name)
        if run.read()["info"]["status"] not in _STATUS:
            where = "this machine, which has nothing of it" if self.is_here else "another machine"
            run.tag({ERROR: f"Canceled from {where}: the run was on '{self._handle.machine}'."})
            run.end("KILLED", time.time())

    def compute_state(self, name: str) -> ComputeState:
        """Give a compute of which there is nothing to say."""
        return ComputeState(name=name)

    def last_metrics(self, job_name: str) -> Mapping[str, float]:
        """Give the last value of each metric."""
        return self._workspace.last_metrics(job_name)

    def summary(self, job_name: str) -> RunSummary:
        """Give what the run logged, its code left out, and what it is about to leave."""
        run = self._workspace.tracked_run(job_name)
        data = run.read().get("data") or {}
        files = {file["path"]: file["size"] for file in run.artifacts()}
        if self.folder.exists:
            files |= {file.name: file.path.stat().st_size for file in left_files(self.folder)}
        return RunSummary(
            params={item["key"]: str(item.get("value", "")) for item in data.get("params", [])},
            metrics=run.last_metrics(data),
            artifacts=tuple(
                Artifact(path=path, size=size)
                for path, size in sorted(files.items())
                if not path.startswith(f"{CODE}/")
            ),
        )

    def facts(self, job_name: str) -> JobFacts:
        """Describe the run."""
        details = self.details(job_name)
        run = self._workspace.tracked_run(job_name).read()
        tags = {tag["key"]: tag.get("value", "") for tag in run["data"].get("tags", [])}
        return JobFacts(
            job_name=job_name,
            display_name=run["info"].get("run_name"),
            experiment_name=self._workspace.experiment_name(run["info"]["experiment_id"]),
            status=details.status,
            compute=f"the machine {self._handle.machine}",
            command=None,
            created=instant(details.created_time),
            started=instant(details.start_time),
            ended=instant(details.end_time),
            error=details.error,
            studio_url=self._handle.studio_url,
            tags=tags,
            summary=self.summary(job_name),
        )

    def download(
        self,
        job_name: str,
        *,
        paths: Sequence[str] = (),
        dest: Path,
        progress: DownloadProgress | None = None,
    ) -> list[DownloadedFile]:
        """Bring the run's artifacts to a folder."""
        return self._workspace.download(job_name, paths=paths, dest=dest, progress=progress)

    def _part(self, offset: int, size: int) -> LogPart:
        try:
            with self.folder.log.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(size)
                whole = stream.seek(0, 2)
        except OSError as error:  # somebody has completed the run: the workspace has its log
            raise NotFoundError(f"The log {self.folder.log} is gone.") from error
        now = datetime.now(timezone.utc)
        return LogPart(data=data, size=whole, modified=now if data else None)

    def _ending_now(self) -> Ending | None:
        """Read how the command ended, or note that nobody is left who could say it."""
        ending = self.folder.ending()
        if ending is not None or self.folder.is_supervised or self._is_starting:
            return ending
        ending = self.folder.ending()  # it may have been the supervisor's last act
        if ending is None and self.folder.exists:
            ending = Ending(ended=time.time(), reason=_LOST)
            self.folder.end(ending)
        return ending

    @property
    def _is_starting(self) -> bool:
        age = time.time() - self.folder.request().started
        return not self.folder.was_supervised and age < _SECONDS_TO_START

    def _wait_for_news(self, is_news: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _LONGEST_LOOK
        while time.monotonic() < deadline and self.folder.exists:
            if self._ending_now() is not None or is_news():
                return
            time.sleep(_TICK)

    def _tracked(self, job_name: str) -> JobDetails:
        """Look at the run in the workspace: it is completed, or of another machine."""
        tracked = self._workspace.tracked_run(job_name)
        run = tracked.read()
        info: dict[str, Any] = run["info"]
        tags = {tag["key"]: tag.get("value", "") for tag in run["data"].get("tags", [])}
        status, error = _STATUS.get(info["status"]), tags.get(ERROR)
        if status is None and self.is_here:
            status = JobStatus.FAILED
            error = (
                "Nothing of the run is left on this machine: its client ended before the project "
                f"began, or {self.folder.path} was removed."
            )
        ended = info.get("end_time")
        return JobDetails(
            status=status or JobStatus.RUNNING,
            log_files=MappingProxyType(tracked.log_files(LOG)),
            error=error,
            created_time=_moment(int(info["start_time"]) / 1000),
            start_time=_moment(int(info["start_time"]) / 1000),
            end_time=_moment(int(ended) / 1000) if ended else None,
        )


def left_files(folder: RunFolder) -> Iterator[SnapshotFile]:
    """Give the log, and what the command wrote to its outputs, under their names in the run.

    Args:
        folder: The run's.
    """
    yield SnapshotFile(path=folder.log, name=LOG)
    yield from changed_outputs(folder.request())


def status_of(ending: Ending) -> JobStatus:
    """Say in the service's words how a command ended."""
    if ending.canceled:
        return JobStatus.CANCELED
    return JobStatus.COMPLETED if ending.exit_code == 0 else JobStatus.FAILED


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
