"""The steps of one job from status to status, each of which may be held up or broken off."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt
from mlflow_azureml_backend.emulator.jobs.record import JobRecord, Stopped
from mlflow_azureml_backend.emulator.jobs.status import JobStatus

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.jobs.pace import Paces


class Suspended(Exception):  # noqa: N818 (a request, not an error)
    """Tell a worker to leave its job as it is: the next emulator takes it up again."""


class Course:
    """Lead one job from status to status, at the pace of its workspace.

    Args:
        record: where the status is written down.
        paces: how long it stays at each.
    """

    def __init__(self, record: JobRecord, paces: Paces) -> None:
        self.interrupt = Interrupt()
        self._record = record
        self._paces = paces
        self._suspended = threading.Event()
        self.interrupt.on_set(paces.look_again)
        if record.status is JobStatus.CANCEL_REQUESTED:
            self.interrupt.set()  # by the emulator before this one
        if record.forced:
            paces.freeze(record.workspace, record.name, frozen=True)

    def cancel(self) -> bool:
        """Ask the job to end as Canceled; False when it has ended."""
        if not self._record.request_cancel():
            return False
        self._paces.freeze(self._record.workspace, self._record.name, frozen=False)
        self.interrupt.set()
        return True

    def suspend(self) -> None:
        """Ask for the job to be left as it is."""
        self._suspended.set()
        self.interrupt.set()
        self._paces.look_again()

    @property
    def suspended(self) -> bool:
        """Tell whether the job was asked to be left as it is."""
        return self._suspended.is_set()

    def go(self, status: JobStatus) -> None:
        """Go on to a status and stay there for a while, unless that is behind already.

        Args:
            status: the next one.

        Raises:
            Stopped: the job is to be canceled.
            Suspended: the emulator stops.
        """
        if not status.precedes(self._record.status):
            self._record.advance(status)
            self.stay()
        self.heed()

    def stay(self) -> None:
        """Stay at the present status for as long as the pace wants it, or until interrupted."""
        status = self._record.status
        # A canceled job was interrupted already; only the end of the emulator ends its waiting.
        leave = (
            self._suspended.is_set
            if status is JobStatus.CANCEL_REQUESTED
            else self.interrupt.is_set
        )
        self._paces.stay(self._record.workspace, self._record.name, status, leave)

    def heed(self) -> None:
        """Do what was asked for meanwhile.

        Raises:
            Stopped: the job is to be canceled.
            Suspended: the emulator stops.
        """
        if self.interrupt.is_set():
            raise self.reason()

    def reason(self) -> Exception:
        """Say why the job is not to go on."""
        canceled = self._record.status is JobStatus.CANCEL_REQUESTED
        return Stopped() if canceled else Suspended()

    def may_end(self) -> None:
        """Let a canceled job stay where it is before it ends, if it is held.

        Raises:
            Suspended: the emulator stops meanwhile.
        """
        if self._record.status is JobStatus.CANCEL_REQUESTED:
            self.stay()
            if self._suspended.is_set():
                raise Suspended

    def close(self) -> None:
        """Let go of what the job had."""
        self.interrupt.close()
        if self._record.status.is_terminal:
            self._paces.forget(self._record.workspace, self._record.name)
