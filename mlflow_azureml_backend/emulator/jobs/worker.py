"""One job's way from its submission to its end."""

from __future__ import annotations

import logging
import shutil
import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.bindings import Binder
from mlflow_azureml_backend.emulator.jobs.definition import (
    read_definition,
    read_demand,
    read_outputs,
    read_timeout,
)
from mlflow_azureml_backend.emulator.jobs.failure import (
    BUILD_LOG,
    LOG,
    JobFailure,
    internal,
    node_lost,
    process_failed,
)
from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt
from mlflow_azureml_backend.emulator.jobs.launch import launch, prepared
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.jobs.record import JobRecord, Stopped
from mlflow_azureml_backend.emulator.jobs.registration import register_outputs
from mlflow_azureml_backend.emulator.jobs.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.nodes import Nodes
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.runtimes import Runtime

_LOGGER: Final = logging.getLogger(__name__)
_LOG_TAIL_BYTES: Final = 16_384


class Suspended(Exception):  # noqa: N818 (a request, not an error)
    """Tell a worker to leave its job as it is: the next emulator takes it up again."""


class Worker:
    """Drive one job, in a thread of its own.

    What the job is at is written down at every step. So another worker can take it up where this
    one was suspended or killed: a job without a process begins again, one with a process is
    watched on, and one whose process has gone ends by what that left behind.

    Args:
        emulation: the emulator.
        runtime: builds the job's environment.
        nodes: the nodes of the computes.
        workspace: the job's workspace.
        name: the job's name.
        folder: the job's own folder.
        on_end: is called when the job has ended; not when it was suspended.
        on_exit: is called when the worker is done with it, either way.
    """

    def __init__(
        self,
        emulation: Emulation,
        runtime: Runtime,
        nodes: Nodes,
        workspace: WorkspaceKey,
        name: str,
        *,
        folder: Path,
        on_end: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._emulation = emulation
        self._runtime = runtime
        self._nodes = nodes
        self._workspace = workspace
        self._name = name
        self._folder = folder
        self._on_end = on_end
        self._on_exit = on_exit
        self._record = JobRecord(emulation, workspace, name)
        self._binder = Binder(
            state=emulation.state,
            blobs=emulation.blobs,
            workspace=workspace,
            job=name,
            folder=folder,
        )
        self._interrupt = Interrupt()
        if self._record.status is JobStatus.CANCEL_REQUESTED:
            self._interrupt.set()  # by the emulator before this one
        self._thread = threading.Thread(target=self._run, name=f"job-{name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def cancel(self) -> bool:
        """Ask the job to end as Canceled; False when it has ended."""
        if not self._record.request_cancel():
            return False
        self._interrupt.set()
        return True

    def suspend(self) -> None:
        """Ask the worker to leave its job; a process that runs goes on."""
        self._interrupt.set()

    def join(self, seconds: float) -> None:
        """Wait until the worker is done, but not longer than so many seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._end(*self._outcome())
        except Suspended:
            pass
        except Exception:
            # Its record itself cannot be written; there is no other place to tell it.
            _LOGGER.exception("The job %s was abandoned.", self._name)
        finally:
            self._interrupt.close()
            self._on_exit()

    def _end(self, status: JobStatus, failure: JobFailure | None) -> None:
        if not self._record.status.is_terminal:
            self._record.finish(status, failure)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._on_end()

    def _outcome(self) -> tuple[JobStatus, JobFailure | None]:
        try:
            if self._record.status.is_terminal:  # all but forgotten by the emulator before
                return self._record.status, None
            if JobProcess.was_started(self._folder):
                self._take_up()
            else:
                self._begin()
        except Stopped:
            return JobStatus.CANCELED, None
        except JobFailure as failure:
            return JobStatus.FAILED, failure
        except Suspended:
            raise
        except Exception as error:
            _LOGGER.exception("The job %s failed in the emulator.", self._name)
            return JobStatus.FAILED, internal(error)
        return JobStatus.COMPLETED, None

    def _begin(self) -> None:
        self._advance(JobStatus.STARTING)
        self._advance(JobStatus.PROVISIONING)
        self._advance(JobStatus.PREPARING)
        job = self._record.properties
        definition = read_definition(self._emulation.state, self._workspace, job)
        build_log = self._record.open_log(BUILD_LOG)
        interpreter = prepared(self._runtime, definition.environment, build_log, self._interrupt)
        if interpreter is None:
            raise self._reason()
        for note in interpreter.notes:
            self._record.warn(note)
        self._advance(JobStatus.QUEUED)
        with self._nodes.held(definition.demand, self._interrupt):
            self._heed()
            self._record.advance(JobStatus.RUNNING)
            process = launch(self._emulation, self._record, self._binder, definition, interpreter)
            self._watch(process, definition.timeout)

    def _take_up(self) -> None:
        job = self._record.properties
        demand = read_demand(self._emulation.state, self._workspace, job)
        with self._nodes.kept(demand):
            self._watch(JobProcess(self._folder), read_timeout(job))

    def _advance(self, status: JobStatus) -> None:
        """Go on to a status and stay there for a while, unless that is behind already."""
        if not status.precedes(self._record.status):
            self._record.advance(status)
            self._interrupt.wait(self._emulation.settings.dwell_seconds)
        self._heed()

    def _heed(self) -> None:
        """Do what the interrupt asks for, if it was set.

        Raises:
            Stopped: the job is to be canceled.
            Suspended: the emulator stops.
        """
        if self._interrupt.is_set():
            raise self._reason()

    def _reason(self) -> Exception:
        canceled = self._record.status is JobStatus.CANCEL_REQUESTED
        return Stopped() if canceled else Suspended()

    def _watch(self, process: JobProcess, timeout: timedelta | None) -> None:
        try:
            if not process.wait(self._interrupt, self._remaining(timeout)):
                self._stop(process, timeout)
        finally:
            process.close()
        with suppress(Stopped):  # what a canceled job has written is kept too
            self._advance(JobStatus.FINALIZING)
        outputs = read_outputs(self._record.properties)
        for warning in self._binder.take(outputs):
            self._record.warn(warning)
        if process.exit_code is None:
            raise node_lost()
        if process.exit_code != 0:
            raise process_failed(process.exit_code, self._end_of_log())
        named = any(output.get("assetName") for output in outputs.values())
        if named and self._record.status is not JobStatus.CANCEL_REQUESTED:
            register_outputs(self._emulation.state, self._workspace, self._name)

    def _stop(self, process: JobProcess, timeout: timedelta | None) -> None:
        if not self._interrupt.is_set():
            # The service cancels a job that takes too long.
            self._record.warn(f"The job was canceled: it ran longer than its limit of {timeout}.")
            self._record.request_cancel()
        elif self._record.status is not JobStatus.CANCEL_REQUESTED:
            raise Suspended
        process.stop()

    def _remaining(self, timeout: timedelta | None) -> float | None:
        if timeout is None:
            return None
        started = datetime.fromisoformat(self._record.run["startTimeUtc"])
        return (started + timeout - datetime.now(timezone.utc)).total_seconds()

    def _end_of_log(self) -> str:
        with self._record.open_log(LOG).open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - _LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
