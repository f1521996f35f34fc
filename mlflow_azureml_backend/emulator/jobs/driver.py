"""What all that drive jobs have in common: a thread, one way to the end, and no job left behind."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.course import Course, Suspended
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure, internal
from mlflow_azureml_backend.emulator.jobs.record import JobRecord, Stopped
from mlflow_azureml_backend.emulator.jobs.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.pace import Paces
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_LOGGER: Final = logging.getLogger(__name__)


class Driver(ABC):
    """Drive one job, in a thread of its own.

    What the job is at is written down at every step. So another driver can take it up where this
    one was suspended or killed.

    Args:
        emulation: the emulator.
        paces: how long jobs stay at each status.
        workspace: the job's workspace.
        name: the job's name.
        on_end: is called when the job has ended; not when it was suspended.
        on_exit: is called when the driver is done with it, either way.
    """

    def __init__(
        self,
        emulation: Emulation,
        paces: Paces,
        workspace: WorkspaceKey,
        name: str,
        *,
        on_end: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        self.record = JobRecord(emulation, workspace, name)
        self.course = Course(self.record, paces)
        self._emulation = emulation
        self._workspace = workspace
        self._name = name
        self._on_end = on_end
        self._on_exit = on_exit
        self._thread = threading.Thread(target=self._run, name=f"job-{name}", daemon=True)

    @property
    @abstractmethod
    def waits_for(self) -> str:
        """Say what keeps the job where it is, for people."""

    @abstractmethod
    def keep_place(self) -> None:
        """Take the nodes, or the place in their line, that the job had before a restart."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the driver is done, but not longer than so many seconds."""
        self._thread.join(seconds)

    @abstractmethod
    def _drive(self) -> None:
        """Bring the job to its end: it has completed when this returns.

        Raises:
            JobFailure: it has failed.
            Stopped: it is to be canceled.
            Suspended: the emulator stops.
        """

    @abstractmethod
    def _break_off(self, status: JobStatus) -> None:
        """End what still runs of a job that has failed or is to be canceled.

        Args:
            status: what it is to end as.

        Raises:
            Suspended: the emulator stops meanwhile.
        """

    def _seconds_left(self, timeout: timedelta | None) -> float | None:
        """Say how long the job may run on; None for ever."""
        if timeout is None:
            return None
        started = datetime.fromisoformat(self.record.run["startTimeUtc"])
        return (started + timeout - datetime.now(timezone.utc)).total_seconds()

    def _run(self) -> None:
        try:
            status, failure = self._outcome()
            self.course.may_end()
            if not self.record.status.is_terminal:
                self.record.finish(status, failure)
            self._on_end()
        except Suspended:
            pass
        except Exception:
            # Its record itself cannot be written; there is no other place to tell it.
            _LOGGER.exception("The job %s was abandoned.", self._name)
        finally:
            self.course.close()
            self._on_exit()

    def _outcome(self) -> tuple[JobStatus, JobFailure | None]:
        try:
            if self.record.status.is_terminal:  # all but forgotten by the emulator before
                return self.record.status, None
            self._drive()
        except Stopped:
            self._break_off(JobStatus.CANCELED)
            return JobStatus.CANCELED, None
        except JobFailure as failure:
            self._break_off(JobStatus.FAILED)
            return JobStatus.FAILED, failure
        except Suspended:
            raise
        except Exception as error:
            _LOGGER.exception("The job %s failed in the emulator.", self._name)
            self._break_off(JobStatus.FAILED)
            return JobStatus.FAILED, internal(error)
        return JobStatus.COMPLETED, None
