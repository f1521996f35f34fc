"""The children of one job: jobs of their own, which it begins, waits for and cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.job_creation import children
from mlflow_azureml_backend.emulator.jobs.course import Suspended
from mlflow_azureml_backend.emulator.jobs.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey


class Children:
    """Tell how the children of a job do, and end them.

    All that is known of them is in their documents, so that it outlasts the emulator.

    Args:
        emulation: the emulator.
        engine: runs them.
        workspace: the workspace.
        parent: the job that they belong to.
    """

    def __init__(
        self, emulation: Emulation, engine: JobEngine, workspace: WorkspaceKey, parent: str
    ) -> None:
        self._emulation = emulation
        self._engine = engine
        self._workspace = workspace
        self._parent = parent

    def statuses(self) -> dict[str, JobStatus]:
        """Say where all children are that have begun, by their names and in their order."""
        state, key = self._emulation.state, self._workspace
        found = {
            name: state.get("job", key.storage_key, name)
            for name in children(state, key, self._parent)
        }
        return {
            name: JobStatus(job.body["status"]) for name, job in found.items() if job is not None
        }

    def cancel(self, name: str) -> None:
        """Ask a child to end as Canceled; returns at once."""
        self._engine.cancel(self._workspace, name)

    def end(self, suspended: Callable[[], bool]) -> None:
        """Cancel all children, and wait until they have ended.

        Args:
            suspended: tells that the emulator stops; who changes that calls `look_again`.

        Raises:
            Suspended: the emulator stops meanwhile.
        """
        while running := [name for name, at in self.statuses().items() if not at.is_terminal]:
            if suspended():
                raise Suspended
            for name in running:
                self.cancel(name)
            self.wait(running, suspended, None)

    def wait(self, names: Collection[str], stop: Callable[[], bool], seconds: float | None) -> None:
        """Wait until one of some children has ended.

        Args:
            names: the children, which had not ended when they were last looked at.
            stop: tells that there is no time to wait; who changes that calls `look_again`.
            seconds: how long to wait at most; None for ever.
        """

        def due() -> bool:
            return stop() or any(
                status.is_terminal for name, status in self.statuses().items() if name in names
            )

        with self._engine.changed:
            self._engine.changed.wait_for(due, seconds)

    def look_again(self) -> None:
        """Let whoever waits ask again whether to stop."""
        with self._engine.changed:
            self._engine.changed.notify_all()
