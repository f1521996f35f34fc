"""What the workers of sweeps and of pipelines have in common: all that they run are children."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timezone
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from mlflow_azureml_backend.emulator.jobs.children import Children
from mlflow_azureml_backend.emulator.jobs.driver import Driver
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.resources import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.jobs.pace import Paces
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey


ChildrenT = TypeVar("ChildrenT", bound=Children)


class ParentWorker(Driver, Generic[ChildrenT]):
    """Drive one job whose work is done by its children.

    Args:
        emulation: the emulator.
        engine: runs the children, which have workers of their own.
        paces: how long jobs stay at each status.
        workspace: the job's workspace.
        name: the job's name.
        on_end: is called when the job has ended; not when it was suspended.
        on_exit: is called when the worker is done with it, either way.
    """

    children_called: ClassVar[str]
    """What people call its children."""

    log: ClassVar[str]
    """What it tells itself, below the folder of its run."""

    def __init__(
        self,
        emulation: Emulation,
        engine: JobEngine,
        paces: Paces,
        workspace: WorkspaceKey,
        name: str,
        *,
        on_end: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        super().__init__(emulation, paces, workspace, name, on_end=on_end, on_exit=on_exit)
        self._children = self._opened(engine)
        self.course.interrupt.on_set(self._children.look_again)

    @abstractmethod
    def _opened(self, engine: JobEngine) -> ChildrenT:
        """Give the jobs that it begins, or has begun before."""

    @property
    def waits_for(self) -> str:
        """Say what keeps the job where it is, for people."""
        if self.record.status is JobStatus.CANCEL_REQUESTED:
            return f"its {self.children_called} are being canceled"
        return f"its {self.children_called} have not ended"

    def keep_place(self) -> None:
        """Take nothing: it needs no node, its children do."""

    def _break_off(self, status: JobStatus) -> None:
        del status
        self._children.end(lambda: self.course.suspended)

    def _tell(self, text: str) -> None:
        with self.record.open_log(self.log).open("a", encoding="utf-8") as log:
            log.write(f"[{timestamp(datetime.now(timezone.utc))}] {text}\n")
