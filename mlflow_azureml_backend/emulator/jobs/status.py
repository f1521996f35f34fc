"""What a job can be at, in what order, and what MLflow calls it."""

from __future__ import annotations

from enum import Enum
from typing import Final


class JobStatus(str, Enum):
    """Name a status in the spelling of Azure ML's `JobStatus`."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"
    PAUSED = "Paused"
    UNKNOWN = "Unknown"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing comes after it any more."""
        return self in TERMINAL

    @property
    def run_status(self) -> str:
        """Give MLflow's status for it."""
        return RUN_STATUS[self]

    def precedes(self, other: JobStatus) -> bool:
        """Tell whether a job that is at this status may still go on to the other one."""
        return _RANK[self] < _RANK[other]


TERMINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})
"""The statuses a job ends at."""

COURSE: Final = (
    JobStatus.NOT_STARTED,
    JobStatus.STARTING,
    JobStatus.PROVISIONING,
    JobStatus.PREPARING,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
    JobStatus.FINALIZING,
)
"""The statuses on the way to an end, in their order; a submitted job begins at Starting."""

RUN_STATUS: Final = {
    JobStatus.NOT_STARTED: "SCHEDULED",
    JobStatus.STARTING: "SCHEDULED",
    JobStatus.PROVISIONING: "SCHEDULED",
    JobStatus.PREPARING: "SCHEDULED",
    JobStatus.QUEUED: "SCHEDULED",
    JobStatus.RUNNING: "RUNNING",
    JobStatus.FINALIZING: "RUNNING",
    JobStatus.CANCEL_REQUESTED: "RUNNING",
    JobStatus.COMPLETED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELED: "KILLED",
    JobStatus.NOT_RESPONDING: "RUNNING",
    JobStatus.PAUSED: "RUNNING",
    JobStatus.UNKNOWN: "RUNNING",
}
"""MLflow's status of a run whose job is at a status."""

_RANK: Final = {
    **{status: rank for rank, status in enumerate(COURSE)},
    # Azure ML lets a silent job come back to any status; the emulator sets none of these.
    JobStatus.NOT_RESPONDING: -1,
    JobStatus.PAUSED: -1,
    JobStatus.UNKNOWN: -1,
    JobStatus.CANCEL_REQUESTED: len(COURSE),
    **dict.fromkeys(TERMINAL, len(COURSE) + 1),
}
