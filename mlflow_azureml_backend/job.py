"""The frozen types that pass from room to room, in Azure ML's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow_azureml_backend.sweep import SweepSpec

EMPTY: Mapping[str, Any] = MappingProxyType({})

_ARM_ID = re.compile(
    r"/subscriptions/(?P<subscription_id>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace_name>[^/?]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRef:
    """Name one Azure ML workspace, as its ARM id does."""

    subscription_id: str
    resource_group: str
    workspace_name: str

    @property
    def arm_id(self) -> str:
        """The workspace's Azure Resource Manager id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"
        )

    @property
    def is_emulated(self) -> bool:
        """Whether the workspace lives in the emulator on this machine."""
        return self.subscription_id == _EMULATOR_SUBSCRIPTION

    @classmethod
    def find_in(cls, text: str) -> WorkspaceRef | None:
        """Read the workspace out of a text that holds its ARM id (a tag, an azureml:// URI).

        Args:
            text: Any text; ARM ids are matched without regard to case, as ARM does.
        """
        match = _ARM_ID.search(text)
        return cls(**match.groupdict()) if match else None


# The all-zero subscription exists nowhere in Azure: a handle that carries it can only mean the
# emulator on this machine, wherever the handle is read again.
_EMULATOR_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

EMULATOR = WorkspaceRef(
    subscription_id=_EMULATOR_SUBSCRIPTION, resource_group="emulator", workspace_name="emulator"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """Say which image the service has to build: its build context.

    Args:
        folder: Folder on this machine whose files are in the context, or None.
        paths: The files and folders of `folder` that go along, relative to it; empty for all.
        files: Name -> text of each further file.
        dockerfile: The Dockerfile's path in the context.
    """

    folder: Path | None = None
    paths: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    dockerfile: str = "Dockerfile"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """Say what the job runs in: an existing environment, an image with a conda file, or a build.

    Args:
        reference: `azureml:name:version`, `azureml:name@latest` or a registry URI; alone.
        image: Container image, by tag or digest.
        conda_file: The conda environment file as a mapping, or None to run the image as it is.
        build: The build context of an image that the service builds; instead of `image`.
        origin: Where it came from, for the user's eyes (`conda.yaml`, `backend config`, …).
    """

    reference: str | None = None
    image: str | None = None
    conda_file: Mapping[str, Any] | None = None
    build: BuildSpec | None = None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesSpec:
    """Say what the job's containers get: fields of `resources` in the job YAML.

    Args:
        shm_size: Size of the shared memory, such as `2g`; None for the service's default.
        docker_args: Further options of `docker run`, as one text.
    """

    shm_size: str | None = None
    docker_args: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """All that Azure ML will get: the fields of its v2 command job YAML.

    Args:
        code: Project folder on this machine; becomes the snapshot.
        sweep: What makes it a sweep job, whose trials are this command job; None for one job.
    """

    command: str
    code: Path
    environment: EnvironmentSpec
    compute: str | None
    resources: ResourcesSpec = ResourcesSpec()
    experiment_name: str
    display_name: str | None = None
    description: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    properties: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    sweep: SweepSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """All that is needed to find a job again, from any machine."""

    workspace: WorkspaceRef
    job_name: str
    studio_url: str | None = None


class JobStatus(str, Enum):
    """A job's status in the service's own spelling.

    Source: JobStatus of the 2024-04-01 API. A status that it does not list becomes UNKNOWN, so
    that a newer service cannot break a follower.
    """

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

    @classmethod
    def _missing_(cls, value: object) -> JobStatus:  # noqa: ARG003  # Enum's own signature
        return cls.UNKNOWN

    @property
    def is_terminal(self) -> bool:
        """Whether the job can no longer change."""
        return _MEANING[self].terminal

    @property
    def has_started(self) -> bool:
        """Whether the job has left the queue."""
        return _MEANING[self].started

    def to_run_status(self) -> str:
        """Name the MLflow RunStatus that stands for this status."""
        return _MEANING[self].run_status


class _Meaning(NamedTuple):
    run_status: str
    started: bool
    terminal: bool


_MEANING: Mapping[JobStatus, _Meaning] = MappingProxyType(
    {
        JobStatus.NOT_STARTED: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.STARTING: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.PROVISIONING: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.PREPARING: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.QUEUED: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.RUNNING: _Meaning("RUNNING", started=True, terminal=False),
        JobStatus.FINALIZING: _Meaning("RUNNING", started=True, terminal=False),
        JobStatus.CANCEL_REQUESTED: _Meaning("RUNNING", started=True, terminal=False),
        JobStatus.COMPLETED: _Meaning("FINISHED", started=True, terminal=True),
        JobStatus.FAILED: _Meaning("FAILED", started=True, terminal=True),
        JobStatus.CANCELED: _Meaning("KILLED", started=True, terminal=True),
        # Both can come back to life: a node answers again, a paused job goes on.
        JobStatus.NOT_RESPONDING: _Meaning("RUNNING", started=True, terminal=False),
        JobStatus.PAUSED: _Meaning("SCHEDULED", started=False, terminal=False),
        JobStatus.UNKNOWN: _Meaning("RUNNING", started=True, terminal=False),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """One look at a job through run history.

    Args:
        log_files: Path of each log file below the run -> URL that reads it.
        error: The service's error code and message of a failed job, or None.
    """

    status: JobStatus
    log_files: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    error: str | None = None
    start_time: str | None = None
    end_time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a job ended.

    Args:
        duration: Seconds from start to end as the service tells them, or None.
    """

    status: JobStatus
    error: str | None = None
    duration: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the job completed."""
        return self.status is JobStatus.COMPLETED
