"""The frozen types that pass from room to room, in Azure ML's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow_azureml_backend.data_spec import SnapshotSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from mlflow_azureml_backend.data_spec import InputSpec, OutputSpec
    from mlflow_azureml_backend.pipeline import PipelineSpec, StepState
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

    @property
    def is_folder(self) -> bool:
        """Whether the context is a folder of this machine as it is."""
        return self.folder is not None and not self.paths and not self.files


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImageSpec:
    """Say which image of this machine's Docker Engine the job may have to get from a registry.

    Args:
        name: The image, or None for one that is built here from the environment's `build`.
        repository: Where it is pushed to, `REGISTRY/REPOSITORY`, or None for nowhere.
        push: Whether it may be pushed; if not, the registry has to have it already.
        layer: Adds the plugin to it, or None; its Dockerfile takes the image as argument `IMAGE`.
    """

    name: str | None = None
    repository: str | None = None
    push: bool = True
    layer: BuildSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """Say what the job runs in: an existing environment, an image with a conda file, or a build.

    Args:
        reference: `azureml:name:version`, `azureml:name@latest` or a registry URI; alone.
        image: Container image, by tag or digest.
        conda_file: The conda environment file as a mapping, or None to run the image as it is.
        build: The build context of an image that the service builds; instead of `image`.
        local: What an engine of this machine may have to do first, or None. Once it is done,
            `image` says where the image is.
        origin: Where it came from, for the user's eyes (`conda.yaml`, `backend config`, …).
    """

    reference: str | None = None
    image: str | None = None
    conda_file: Mapping[str, Any] | None = None
    build: BuildSpec | None = None
    local: LocalImageSpec | None = None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesSpec:
    """Say what the job's containers get: fields of `resources` in the job YAML.

    Args:
        instance_type: VM size of a serverless job, or an instance type of a Kubernetes compute.
        instance_count: Number of nodes; None for the service's default, one.
        max_instance_count: Most nodes of an elastic job.
        shm_size: Size of the shared memory, such as `2g`; None for the service's default.
        docker_args: Further options of `docker run`, as one text.
        locations: Regions that a serverless job may run in.
        properties: Further properties of the compute.
    """

    instance_type: str | None = None
    instance_count: int | None = None
    max_instance_count: int | None = None
    shm_size: str | None = None
    docker_args: str | None = None
    locations: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVariable:
    """Say where the job gets a secret variable from: a Key Vault, which it asks when it starts.

    Args:
        reference: `NAME`, `NAME/VERSION`, or `VAULT/NAME/…`; without a vault the workspace's own.
            None for a value that the client has.
        value: The value, which the client puts into the workspace's Key Vault when it submits.
    """

    reference: str | None = None
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """All that Azure ML will get: the fields of its v2 command job YAML.

    Args:
        code: Project folder on this machine; becomes the snapshot.
        compute: Name of the compute; None for a serverless job.
        distribution, limits, queue_settings, identity: These sections of the job YAML.
        services: Name -> section of the job YAML.
        secret_variables: Variables that are no part of the job, but read when it starts.
        notes: What the user should know of how the job came about.
        snapshot: What of that folder.
        sweep: What makes it a sweep job, whose trials are this command job; None for one job.
        pipeline: What makes it a pipeline job, whose steps have commands of their own; None for
            one job.
    """

    command: str
    code: Path
    environment: EnvironmentSpec
    compute: str | None
    resources: ResourcesSpec = ResourcesSpec()
    experiment_name: str
    display_name: str | None = None
    description: str | None = None
    inputs: Mapping[str, InputSpec] = field(default_factory=lambda: EMPTY)
    outputs: Mapping[str, OutputSpec] = field(default_factory=lambda: EMPTY)
    snapshot: SnapshotSpec = field(default_factory=SnapshotSpec)
    environment_variables: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    properties: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    distribution: Mapping[str, Any] | None = None
    limits: Mapping[str, Any] | None = None
    queue_settings: Mapping[str, Any] | None = None
    identity: Mapping[str, Any] | None = None
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)
    parent_job_name: str | None = None
    secret_variables: Mapping[str, SecretVariable] = field(default_factory=lambda: EMPTY)
    notes: tuple[str, ...] = ()
    sweep: SweepSpec | None = None
    pipeline: PipelineSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """All that is needed to find a job again, from any machine.

    Args:
        job_name: The job's; of a run without a job (`compute: local`) the run's id.
        machine: The machine that such a run runs on, or None for a job.
    """

    workspace: WorkspaceRef
    job_name: str
    studio_url: str | None = None
    machine: str | None = None


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
        created_time: When the job was submitted, in the service's spelling.
        start_time: When it started.
        end_time: When it ended.
        compute: Name of its compute, or None (serverless).
        nodes: How many nodes it asks for.
        cluster: What the service says of the compute while the job waits, by its own words:
            `AllocationState`, `PreparingNodeCount`, `RunningNodeCount`, `CurrentNodeCount`.
        warnings: The service's warnings.
        steps: The steps of a pipeline that have begun, whose log files are among these; None for
            another job.
    """

    status: JobStatus
    log_files: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    error: str | None = None
    created_time: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    compute: str | None = None
    nodes: int = 1
    cluster: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    warnings: tuple[str, ...] = ()
    steps: tuple[StepState, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Part of a log file, as one ranged read gives it.

    Args:
        data: The bytes from the offset on; none when the file has nothing there.
        size: How many bytes the whole file has, or None when the service does not say.
        modified: When the file last changed, by the service's clock, or None.
        created: When it was made: another time means another file.
    """

    data: bytes
    size: int | None = None
    modified: datetime | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeState:
    """What a compute is doing.

    Args:
        name: The compute.
        most_nodes: How many nodes it may have.
        nodes: How many it has, by their state: `preparing`, `running`, `idle`, `unusable`,
            `leaving`, `preempted`.
        allocation: The service's word for whether it changes its size, such as `Resizing`.
        errors: Why it cannot grow.
    """

    name: str
    most_nodes: int | None = None
    nodes: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    allocation: str | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of a run.

    Args:
        size: Bytes, or None when the service does not say.
    """

    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a job logged to its run.

    Args:
        metrics: Key -> last value.
        outputs: Name -> URI of each named output.
    """

    params: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    metrics: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    artifacts: tuple[Artifact, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The likely cause of a failure, and what to do about it."""

    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a job ended.

    Args:
        duration: Seconds from start to end as the service tells them, or None.
        phases: Seconds in each phase, in order: those that were seen, or `waiting` and `running`
            as the service tells them.
        exit_code: The status code of the process that failed, where it is known.
        rank: The rank that failed, where the job has several.
        step: The step that failed, of a pipeline.
        last_lines: The last lines that this rank or step printed.
        cause: What likely made the job fail.
        summary: What the job logged, where somebody wants to see it.
    """

    status: JobStatus
    error: str | None = None
    duration: float | None = None
    phases: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    exit_code: int | None = None
    rank: int | None = None
    step: str | None = None
    last_lines: tuple[str, ...] = ()
    cause: Cause | None = None
    summary: RunSummary | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the job completed."""
        return self.status is JobStatus.COMPLETED
