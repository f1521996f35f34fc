"""What is kept about one job: its resource, its run in run history, and its MLflow run."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.resources import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_LOGGER: Final = logging.getLogger(__name__)
_ARTIFACTS: Final = "azureml"
_BEHIND: Final = "statusBehind"


class Stopped(Exception):  # noqa: N818 (a request, not an error)
    """Tell a worker that its job may not go on: it is to be canceled, or has ended."""


class JobRecord:
    """Write down how a job proceeds, so that every reader sees one story.

    Statuses only go forward, and a job that was asked to cancel is never seen going on. The
    methods may be called from any thread.

    Args:
        emulation: where it is written.
        workspace: the job's workspace.
        name: the job's name.
    """

    def __init__(self, emulation: Emulation, workspace: WorkspaceKey, name: str) -> None:
        self.workspace = workspace
        self.name = name
        self._emulation = emulation
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._sealed = False
        # A status that was put over the job's own one is seen by everybody but the engine.
        self._status = JobStatus(self.run.get(_BEHIND) or self.properties["status"])
        self._forced = bool(self.run.get(_BEHIND))

    @property
    def properties(self) -> dict[str, Any]:
        """Give the properties of the job's resource."""
        found = self._emulation.state.get("job", self.workspace.storage_key, self.name)
        if found is None:
            raise KeyError(self.name)
        return found.body

    @property
    def status(self) -> JobStatus:
        """Give the status it is at."""
        return self._status

    @property
    def forced(self) -> bool:
        """Tell whether everybody is shown another status than the one it is at."""
        return self._forced

    @property
    def run(self) -> dict[str, Any]:
        """Give what run history holds of it."""
        found = self._emulation.state.get("run", self.workspace.storage_key, self.name)
        return {} if found is None else found.body

    @property
    def folder(self) -> str:
        """Give the folder of its logs and artifacts, in the container `azureml`."""
        return f"ExperimentRun/dcid.{self.name}"

    def advance(self, status: JobStatus) -> None:
        """Go on to a status; one that lies behind is passed over, as after a restart.

        Raises:
            Stopped: the job was asked to cancel.
        """
        with self._lock:
            if self._status is JobStatus.CANCEL_REQUESTED:
                raise Stopped
            if not self._status.precedes(status):
                return
            run: dict[str, Any] = {}
            if status is JobStatus.RUNNING:
                run["startTimeUtc"] = timestamp(datetime.now(timezone.utc))
                self._set_run_status(status, None)
            self._write(status, run)

    def request_cancel(self) -> bool:
        """Note that the job is to be canceled; False when it has ended."""
        with self._lock:
            if self._sealed or self._status.is_terminal:
                return False
            if self._status is not JobStatus.CANCEL_REQUESTED:
                self._write(JobStatus.CANCEL_REQUESTED, {})
            return True

    def finish(self, status: JobStatus, failure: JobFailure | None = None) -> None:
        """End the job; one that was asked to cancel ends as Canceled, whatever came of it.

        Args:
            status: Completed, Failed or Canceled.
            failure: why it failed.
        """
        with self._lock:
            self._sealed = True  # from here on there is nothing left to cancel
            if self._status is JobStatus.CANCEL_REQUESTED:
                status, failure = JobStatus.CANCELED, None
        # MLflow's run ends first: who sees the job's end may read the run at once.
        self._set_run_status(status, time.time_ns() // 1_000_000)
        run: dict[str, Any] = {"endTimeUtc": timestamp(datetime.now(timezone.utc))}
        if failure is not None:
            run["error"] = {"code": failure.code, "message": failure.message}
        with self._lock:
            self._write(status, run)

    def force(self, status: JobStatus | None) -> bool:
        """Show everybody another status than the one it is at.

        Args:
            status: what is shown; None shows the job's own again.

        Returns:
            False when the job has ended: nothing is changed then.
        """
        with self._lock:
            if self._sealed or self._status.is_terminal:
                return False
            behind = {_BEHIND: None if status is None else self._status.value}
            self._show(status or self._status, behind)
            self._forced = status is not None
            return True

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true of the job; False when it was not in time.

        Args:
            condition: is asked after every change of the status.
            seconds: how long to wait at most.
        """
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def note(self, name: str, value: str) -> None:
        """Set a property of the job, which is one of its run too.

        Args:
            name: the property.
            value: its value.
        """

        def change(job: dict[str, Any]) -> dict[str, Any]:
            return {**job, "properties": {**job["properties"], name: value}}

        if self.properties["properties"].get(name) == value:
            return
        self._emulation.state.update("job", self.workspace.storage_key, self.name, "", change)

    def mark(self, name: str, value: str) -> None:
        """Set a tag of the job, which is one of its run too.

        Args:
            name: the tag.
            value: its value.
        """

        def change(job: dict[str, Any]) -> dict[str, Any]:
            return {**job, "tags": {**job["tags"], name: value}}

        self._emulation.state.update("job", self.workspace.storage_key, self.name, "", change)
        with suppress(KeyError):  # its user may have deleted the run
            self._emulation.tracking.set_tags(self.workspace, self.name, {name: value})

    def warn(self, message: str) -> None:
        """Add a warning to the run.

        Args:
            message: for people.
        """

        def add(run: dict[str, Any]) -> dict[str, Any]:
            known = list(run.get("warnings") or [])
            warning = {"source": "Emulator", "message": message}
            # A job that begins again finds the same things to warn of.
            return {**run, "warnings": known if warning in known else [*known, warning]}

        self._change_run(add)

    def produce(self, outputs: Mapping[str, Mapping[str, str]]) -> None:
        """Note what the outputs of a pipeline are.

        Args:
            outputs: the output of a step behind each of them, by their names.
        """
        self._change_run(lambda run: {**run, "produced": {**outputs}})

    def open_log(self, path: str) -> Path:
        """Make a log that others may read while it grows, and name it in run history.

        Args:
            path: its path below the folder of the run.

        Returns:
            The file to append to.
        """
        file = self._emulation.blobs.register(
            self.workspace.storage_account,
            _ARTIFACTS,
            f"{self.folder}/{path}",
            append=True,
            content_type="text/plain",
        )
        file.parent.mkdir(parents=True, exist_ok=True)

        def add(run: dict[str, Any]) -> dict[str, Any]:
            known = list(run.get("logFiles") or [])
            return {**run, "logFiles": known if path in known else [*known, path]}

        self._change_run(add)
        return file

    def _write(self, status: JobStatus, run: dict[str, Any]) -> None:
        # The job's own course goes over whatever was put over it.
        self._show(status, {**run, _BEHIND: None} if self._forced else run)
        with self._changed:
            self._status, self._forced = status, False
            self._changed.notify_all()

    def _show(self, status: JobStatus, run: dict[str, Any]) -> None:
        def change(job: dict[str, Any]) -> dict[str, Any]:
            # A change inside a change is one transaction: both documents tell the same.
            self._change_run(lambda known: {**known, **run, "status": status.value})
            return {**job, "status": status.value}

        self._emulation.state.update("job", self.workspace.storage_key, self.name, "", change)

    def _change_run(self, change: Any) -> None:
        key = self.workspace.storage_key
        try:
            self._emulation.state.update("run", key, self.name, "", change)
        except KeyError:
            self._emulation.state.put("run", key, self.name, "", change({}))

    def _set_run_status(self, status: JobStatus, end_time_ms: int | None) -> None:
        try:
            self._emulation.tracking.set_status(
                self.workspace, self.name, status.run_status, end_time_ms
            )
        except Exception:
            # The job ends all the same: its user may have deleted the run.
            _LOGGER.exception("The MLflow run of job %s could not be updated.", self.name)
