"""The workspace as the rest of the package sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.workspace.endpoint import AZURE, emulator_endpoint
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobDetails, JobHandle, JobSpec, WorkspaceRef
    from mlflow_azureml_backend.sweep import SweepState
    from mlflow_azureml_backend.workspace.connection import Connection


def connect(ref: WorkspaceRef) -> Workspace:
    """Open a workspace: in Azure, or in the emulator of this machine.

    Args:
        ref: The workspace.

    Raises:
        WorkspaceError: It does not exist, is out of reach, or no credential is accepted.
    """
    from mlflow_azureml_backend.workspace.connection import Connection

    connection = Connection(ref, emulator_endpoint() if ref.is_emulated else AZURE)
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

    def check_compute(self, name: str) -> None:
        """Make sure that a compute exists and can take jobs."""
        from mlflow_azureml_backend.workspace.computes import check_compute

        check_compute(self._connection, name)

    def submit(self, spec: JobSpec, *, name: str) -> JobHandle:
        """Upload the snapshot and create the job under this name."""
        from mlflow_azureml_backend.workspace.jobs import submit_job
        from mlflow_azureml_backend.workspace.snapshot import upload_snapshot

        code_id = upload_snapshot(self._connection, spec.code)
        return submit_job(self._connection, spec, name=name, code_id=code_id)

    def handle(self, job_name: str) -> JobHandle:
        """Look up a job by its name."""
        from mlflow_azureml_backend.workspace.jobs import read_handle

        return read_handle(self._connection, job_name)

    def details(self, job_name: str) -> JobDetails:
        """Take one look at a job: status, log files, error."""
        from mlflow_azureml_backend.workspace.run_history import read_details

        return read_details(self._connection, job_name)

    def read_log(self, url: str, *, offset: int, size: int) -> bytes:
        """Read part of a log file; nothing when there is nothing beyond the offset."""
        return self._connection.bytes_from(url, offset=offset, size=size)

    def cancel(self, job_name: str) -> None:
        """Ask for a job's end."""
        from mlflow_azureml_backend.workspace.jobs import cancel_job

        cancel_job(self._connection, job_name)

    def sweep(self, job_name: str) -> SweepState | None:
        """Take one look at a sweep and its trials; None for a job that is no sweep."""
        from mlflow_azureml_backend.workspace.sweeps import read_sweep

        return read_sweep(self._connection, job_name)

    def tracked_run(self, job_name: str) -> TrackedRun:
        """Give the MLflow run that the job logs to in this workspace."""
        return TrackedRun(self._connection, job_name)
