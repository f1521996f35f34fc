"""One command job's way from its submission to its end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.bindings import Binder
from mlflow_azureml_backend.emulator.jobs.build_context import with_build_context
from mlflow_azureml_backend.emulator.jobs.course import Suspended
from mlflow_azureml_backend.emulator.jobs.definition import (
    read_definition,
    read_demand,
    read_inputs,
    read_outputs,
    read_timeout,
)
from mlflow_azureml_backend.emulator.jobs.driver import Driver
from mlflow_azureml_backend.emulator.jobs.failure import BUILD_LOG, node_lost, process_failed
from mlflow_azureml_backend.emulator.jobs.launch import launch, prepared
from mlflow_azureml_backend.emulator.jobs.process_group import ProcessGroup
from mlflow_azureml_backend.emulator.jobs.record import Stopped
from mlflow_azureml_backend.emulator.jobs.registration import register_outputs
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.jobs.storage import remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.nodes import Nodes, Ticket
    from mlflow_azureml_backend.emulator.jobs.pace import Paces
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.runtimes import Runtime

_LOG_TAIL_BYTES: Final = 16_384
_RUNTIME: Final = "emulator.runtime"


class Worker(Driver):
    """Drive one command job.

    When another worker takes it up, a job without processes begins again, one with processes is
    watched on, and one whose processes have gone ends by what those left behind.

    Args:
        emulation: the emulator.
        runtime: builds the job's environment.
        nodes: the nodes of the computes.
        paces: how long jobs stay at each status.
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
        paces: Paces,
        workspace: WorkspaceKey,
        name: str,
        *,
        folder: Path,
        on_end: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        def end() -> None:
            remove_folder(folder)
            on_end()

        def leave() -> None:
            if self._ticket is not None:
                nodes.release(self._ticket)
            on_exit()

        super().__init__(emulation, paces, workspace, name, on_end=end, on_exit=leave)
        self._runtime = runtime
        self._nodes = nodes
        self._folder = folder
        self._binder = Binder(
            state=emulation.state,
            blobs=emulation.blobs,
            workspace=workspace,
            job=name,
            folder=folder,
        )
        self._group = ProcessGroup.found(folder)
        self._ticket: Ticket | None = None

    @property
    def waits_for(self) -> str:
        """Say what keeps the job where it is, for people."""
        status = self.record.status
        if status is JobStatus.QUEUED and self._ticket is not None and not self._ticket.granted:
            return self._ticket.explain()
        return {
            JobStatus.PREPARING: "its environment is being prepared",
            JobStatus.RUNNING: "its command has not ended",
            JobStatus.CANCEL_REQUESTED: "its processes are being ended",
        }.get(status, "the emulator is busy")

    def keep_place(self) -> None:
        """Take the nodes, or the place in their line, that the job had before a restart."""
        if self._group is None and self.record.status is not JobStatus.QUEUED:
            return
        demand = read_demand(self._emulation.state, self._workspace, self.record.properties)
        if self._group is not None:
            self._ticket = self._nodes.occupy(demand)
        elif demand.capacity is None or demand.count <= demand.capacity:
            self._ticket = self._nodes.ask(demand)

    def _drive(self) -> None:
        if self._group is not None:
            self._watch(self._group, read_timeout(self.record.properties))
        else:
            self._begin()

    def _break_off(self, status: JobStatus) -> None:
        """Do nothing: its processes have gone already."""

    def _begin(self) -> None:
        self.course.go(JobStatus.STARTING)
        self.course.go(JobStatus.PROVISIONING)
        self.course.go(JobStatus.PREPARING)
        definition = read_definition(self._emulation.state, self._workspace, self.record.properties)
        self.record.note(_RUNTIME, self._runtime.name)
        build_log = self.record.open_log(BUILD_LOG)
        interpreter = prepared(
            self._runtime,
            with_build_context(self._emulation, self._workspace, definition.environment),
            build_log,
            self.course.interrupt,
        )
        if interpreter is None:
            raise self.course.reason()
        for note in interpreter.notes:
            self.record.warn(note)
        self.course.go(JobStatus.QUEUED)
        self._ticket = self._ticket or self._nodes.ask(definition.demand)
        self._ticket.wait(self.course.interrupt)
        self.course.heed()
        self.record.advance(JobStatus.RUNNING)
        group = launch(self._emulation, self.record, self._binder, definition, interpreter)
        self._watch(group, definition.timeout)

    def _watch(self, group: ProcessGroup, timeout: timedelta | None) -> None:
        try:
            if not group.wait(self.course.interrupt, self._seconds_left(timeout)):
                self._stop(group, timeout)
        finally:
            group.close()
        # The processes have gone, but what a canceled job has written is kept too.
        with suppress(Stopped):
            self.course.stay()
            self.course.go(JobStatus.FINALIZING)
        job = self.record.properties
        outputs = read_outputs(job)
        for warning in self._binder.take(read_inputs(job), outputs):
            self.record.warn(warning)
        if (failed := group.failed()) is not None:
            if failed.exit_code is None:
                raise node_lost()
            raise process_failed(failed.exit_code, self._end_of_log(failed.log), failed.log)
        named = any(output.get("assetName") for output in outputs.values())
        if named and self.record.status is not JobStatus.CANCEL_REQUESTED:
            register_outputs(self._emulation.state, self._workspace, self._name)

    def _stop(self, group: ProcessGroup, timeout: timedelta | None) -> None:
        if not self.course.interrupt.is_set():
            # The service cancels a job that takes too long.
            self.record.warn(f"The job was canceled: it ran longer than its limit of {timeout}.")
            self.course.cancel()
        elif self.record.status is not JobStatus.CANCEL_REQUESTED:
            raise Suspended
        group.stop()

    def _end_of_log(self, path: str) -> str:
        with self.record.open_log(path).open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - _LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
