"""The workspace as the rest of the package sees it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.workspace.endpoint import AZURE, emulator_endpoint
from mlflow_azureml_backend.workspace.job_identity import is_job_of
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun, is_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from mlflow_azureml_backend.job import (
        ComputeState,
        JobDetails,
        JobHandle,
        JobSpec,
        LogPart,
        RunSummary,
        WorkspaceRef,
    )
    from mlflow_azureml_backend.sweep import SweepState
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.job_download import DownloadProgress
    from mlflow_azureml_backend.workspace.job_facts import JobFacts
    from mlflow_azureml_backend.workspace.job_list import ListedJob
    from mlflow_azureml_backend.workspace.local_file import DownloadedFile


def connect(ref: WorkspaceRef) -> Workspace:
    """Open a workspace: in Azure, or in the emulator of this machine.

    Args:
        ref: The workspace.

    Raises:
        WorkspaceError: It does not exist, is out of reach, or no credential is accepted.
    """
    from mlflow_azureml_backend.workspace.connection import Connection

    # A job of the emulator has the way there in its own variables, and must not start another one.
    emulated = ref.is_emulated and not is_job_of(ref, os.environ)
    connection = Connection(ref, emulator_endpoint() if emulated else AZURE)
    _ = connection.workspace_facts
    return Workspace(connection)


class Workspace:
    """Everything that a run needs of its workspace.

    Args:
        connection: An open connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def ref(self) -> WorkspaceRef:
        """The workspace's name."""
        return self._connection.ref

    @property
    def location(self) -> str:
        """The region that the workspace is in."""
        return str(self._connection.workspace_facts.get("location") or "an unknown region")

    @property
    def container_registry(self) -> str | None:
        """The name of the workspace's container registry, or None before it has one."""
        arm_id = self._connection.workspace_facts["properties"].get("containerRegistry")
        return str(arm_id).rpartition("/")[2] if arm_id else None

    def check_compute(self, name: str) -> None:
        """Make sure that a compute exists and can take jobs."""
        from mlflow_azureml_backend.workspace.computes import check_compute

        check_compute(self._connection, name)

    def prepare_image(
        self, spec: JobSpec, *, docker_auth: Mapping[str, Any] | None, shown: bool
    ) -> JobSpec:
        """Build and push with this machine's Docker Engine what the job's image asks of it.

        Args:
            spec: The job.
            docker_auth: MLflow's `docker_auth`.
            shown: Show on stderr what the engine does.

        Returns:
            The job, whose image is where it can be had.

        Raises:
            ImageError: It could not be built or pushed; nothing was created in the workspace.
        """
        if spec.environment.local is None:
            return spec
        from mlflow_azureml_backend.workspace.images import prepare_image

        environment = prepare_image(
            self._connection, spec.environment, docker_auth=docker_auth, shown=shown
        )
        return replace(spec, environment=environment)

    def check(self, spec: JobSpec, *, wants_gpu: bool = False) -> tuple[str, ...]:
        """Find what keeps a job from running here, and give what the user should know."""
        from mlflow_azureml_backend.workspace.job_checks import check_job

        return check_job(self._connection, spec, wants_gpu=wants_gpu)

    def check_data(self, spec: JobSpec) -> JobSpec:
        """Make sure that the assets and datastores exist that a job names; give it their types."""
        from mlflow_azureml_backend.workspace.data_checks import check_data

        return check_data(self._connection, spec)

    def submit(self, spec: JobSpec, *, name: str, transfer: Transfer | None = None) -> JobHandle:
        """Upload inputs and snapshot and create the job under this name."""
        from mlflow_azureml_backend.workspace.data import upload_inputs
        from mlflow_azureml_backend.workspace.jobs import submit_job
        from mlflow_azureml_backend.workspace.secret_values import with_stored_secrets
        from mlflow_azureml_backend.workspace.snapshot import upload_snapshot

        spec = with_stored_secrets(self._connection, spec, name=name)
        spec = upload_inputs(self._connection, spec, transfer or Transfer(visible=False))
        code_id = upload_snapshot(self._connection, spec.code, exclude=spec.snapshot.exclude)
        return submit_job(self._connection, spec, name=name, code_id=code_id)

    def handle(self, job_name: str) -> JobHandle:
        """Look up a job by its name."""
        from mlflow_azureml_backend.workspace.jobs import read_handle

        return read_handle(self._connection, job_name)

    def details(self, job_name: str, *, brief: bool = False) -> JobDetails:
        """Take one look at a job: status, log files, error.

        Args:
            job_name: The job.
            brief: Make one attempt with short timeouts, for who asks again anyway.
        """
        from mlflow_azureml_backend.workspace.run_history import read_details

        return read_details(self._connection, job_name, brief=brief)

    def read_log(self, url: str, *, offset: int, size: int) -> LogPart:
        """Read part of a log file; one short attempt."""
        return self._connection.part_of(url, offset=offset, size=size, brief=True)

    def last_metrics(self, job_name: str) -> Mapping[str, float]:
        """Give the last value of each metric that the job logged."""
        return self.tracked_run(job_name).last_metrics()

    def summary(self, job_name: str) -> RunSummary:
        """Give what the job logged: params, metrics, artifacts, outputs."""
        from mlflow_azureml_backend.workspace.run_summary import read_summary

        return read_summary(self._connection, job_name)

    def compute_state(self, name: str) -> ComputeState:
        """Ask what a compute is doing."""
        from mlflow_azureml_backend.workspace.computes import read_compute_state

        return read_compute_state(self._connection, name)

    def cancel(self, job_name: str) -> None:
        """Ask for a job's end, and then for those of the jobs that it has started."""
        from mlflow_azureml_backend.workspace.jobs import cancel_job

        cancel_job(self._connection, job_name)
        for child in self._started_by(job_name):
            with suppress(NotFoundError):  # a run that is no job
                self.cancel(child)

    def _started_by(self, job_name: str) -> list[str]:
        """Name the runs that a job has started and that have not ended, as far as they are told."""
        try:
            runs = list(self.tracked_run(job_name).children(brief=True))
        except WorkspaceError:
            return []
        names = [str(run["info"]["run_id"]) for run in runs if is_unfinished(run)]
        # The service itself ends the trials of a sweep.
        return [name for name in names if not re.fullmatch(rf"{re.escape(job_name)}_\d+", name)]

    def jobs(self) -> Iterator[ListedJob]:
        """Give the workspace's jobs, newest first, a page at a time."""
        from mlflow_azureml_backend.workspace.job_list import list_jobs

        return list_jobs(self._connection)

    def times(self, job_name: str) -> tuple[datetime | None, datetime | None]:
        """Tell when a job started and ended, as far as it has."""
        from mlflow_azureml_backend.timestamps import instant

        details = self.details(job_name)
        return instant(details.start_time), instant(details.end_time)

    def facts(self, job_name: str) -> JobFacts:
        """Describe a job: what it is, what it logged, what it left."""
        from mlflow_azureml_backend.workspace.job_facts import read_facts

        return read_facts(self._connection, job_name)

    def download(
        self,
        job_name: str,
        *,
        paths: Sequence[str] = (),
        dest: Path,
        progress: DownloadProgress | None = None,
    ) -> list[DownloadedFile]:
        """Bring a job's artifacts and named outputs to a folder; all of them without `paths`."""
        from mlflow_azureml_backend.workspace.job_download import Unseen, download_job

        return download_job(
            self._connection, job_name, paths=paths, dest=dest, progress=progress or Unseen()
        )

    def sweep(self, job_name: str) -> SweepState | None:
        """Take one look at a sweep and its trials; None for a job that is no sweep."""
        from mlflow_azureml_backend.workspace.sweeps import read_sweep

        return read_sweep(self._connection, job_name)

    def tracked_run(self, job_name: str) -> TrackedRun:
        """Give the MLflow run that the job logs to in this workspace."""
        return TrackedRun(self._connection, job_name)
