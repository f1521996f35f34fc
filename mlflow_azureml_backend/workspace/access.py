"""The workspace as the rest of the package sees it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.workspace.endpoint import AZURE, emulator_endpoint
from mlflow_azureml_backend.workspace.job_identity import is_job_of
from mlflow_azureml_backend.workspace.pipeline_looks import PipelineLooks
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun, is_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from mlflow_azureml_backend.job import (
        ComputeState,
        EnvironmentSpec,
        JobDetails,
        JobHandle,
        JobSpec,
        LogPart,
        RunSummary,
        WorkspaceRef,
    )
    from mlflow_azureml_backend.metric_curve import MetricCurve
    from mlflow_azureml_backend.sweep import SweepState
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.job_download import DownloadProgress
    from mlflow_azureml_backend.workspace.job_facts import JobFacts
    from mlflow_azureml_backend.workspace.job_list import ListedJob
    from mlflow_azureml_backend.workspace.local_file import DownloadedFile
    from mlflow_azureml_backend.workspace.model_registry import WorkspaceModels
    from mlflow_azureml_backend.workspace.snapshot import LocalSnapshot
    from mlflow_azureml_backend.workspace.written_run import WrittenRun


def connect(ref: WorkspaceRef) -> Workspace:
    """Open a workspace: in Azure, or in the emulator of this machine.

    Args:
        ref: The workspace.

    Raises:
        WorkspaceError: It does not exist, is out of reach, or no credential is accepted.
    """
    from mlflow_azureml_backend.workspace.open_connections import connection_to

    # A job of the emulator has the way there in its own variables, and must not start another one.
    emulated = ref.is_emulated and not is_job_of(ref, os.environ)
    connection = connection_to(ref, emulator_endpoint() if emulated else AZURE)
    _ = connection.workspace_facts
    return Workspace(connection)


class Workspace:
    """Everything that a run needs of its workspace.

    Args:
        connection: An open connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pipelines = PipelineLooks(connection)

    @property
    def ref(self) -> WorkspaceRef:
        """The workspace's name."""
        return self._connection.ref

    @property
    def location(self) -> str:
        """The region that the workspace is in."""
        return str(self._connection.workspace_facts.get("location") or "an unknown region")

    @property
    def tracking_uri(self) -> str:
        """The `azureml://` URI of the MLflow store that the workspace is."""
        told = self._connection.workspace_facts["properties"].get("mlFlowTrackingUri")
        host = self._connection.api.partition("://")[2]
        return str(told or f"azureml://{host}/mlflow/v1.0{self.ref.arm_id}")

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables by which other clients reach it: none in Azure."""
        return self._connection.endpoint.variables

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

        def prepared(environment: EnvironmentSpec) -> EnvironmentSpec:
            if environment.local is None:
                return environment
            from mlflow_azureml_backend.workspace.images import prepare_image

            return prepare_image(
                self._connection, environment, docker_auth=docker_auth, shown=shown
            )

        if spec.pipeline is not None:
            pipeline = spec.pipeline.in_own_environments(prepared)
            spec = replace(spec, pipeline=pipeline)
        return replace(spec, environment=prepared(spec.environment))

    def check(self, spec: JobSpec, *, wants_gpu: bool = False) -> tuple[str, ...]:
        """Find what keeps a job from running here, and give what the user should know."""
        from mlflow_azureml_backend.workspace.job_checks import check_job
        from mlflow_azureml_backend.workspace.pipelines import check_steps

        if spec.pipeline is not None:
            return check_steps(self._connection, spec, wants_gpu=wants_gpu)
        return check_job(self._connection, spec, wants_gpu=wants_gpu)

    def check_data(self, spec: JobSpec) -> JobSpec:
        """Make sure that the assets and datastores exist that a job names; give it their types."""
        from mlflow_azureml_backend.workspace.data_checks import check_data
        from mlflow_azureml_backend.workspace.pipelines import check_outputs

        check_outputs(self._connection, spec)
        return check_data(self._connection, spec)

    def holds(self, snapshot: LocalSnapshot) -> bool:
        """Tell whether a snapshot is there already."""
        from mlflow_azureml_backend.workspace.snapshot import find_snapshot

        return find_snapshot(self._connection, snapshot) is not None

    def prepare(self, spec: JobSpec, snapshot: LocalSnapshot) -> None:
        """Begin what a submission needs and no user sees: room for its files, an environment.

        Whoever submits finds it there, waits for it, or is told why it could not be had.

        Args:
            spec: The job, in which everything has been checked.
            snapshot: Its code.
        """
        from mlflow_azureml_backend.workspace.data import begin_inputs
        from mlflow_azureml_backend.workspace.jobs import prepare_environment
        from mlflow_azureml_backend.workspace.snapshot import begin_upload

        def prepare() -> None:
            # It is asked already: one question after the other, over one connection.
            self.holds(snapshot)
            begin_inputs(self._connection, spec)
            begin_upload(self._connection, snapshot)
            if spec.environment.build is None:  # a build context is an upload, which is shown
                prepare_environment(self._connection, spec.environment)

        begin(prepare)

    def submit(
        self,
        spec: JobSpec,
        *,
        name: str,
        snapshot: LocalSnapshot | None = None,
        transfer: Transfer | None = None,
    ) -> JobHandle:
        """Upload inputs and snapshot and create the job under this name.

        Args:
            spec: The job.
            name: Its name.
            snapshot: Its code, where it is read already.
            transfer: Shows what is uploaded.
        """
        from mlflow_azureml_backend.workspace.data import upload_inputs
        from mlflow_azureml_backend.workspace.jobs import prepare_environment, submit_job
        from mlflow_azureml_backend.workspace.pipelines import with_stored_secrets_of_steps
        from mlflow_azureml_backend.workspace.secret_values import with_stored_secrets
        from mlflow_azureml_backend.workspace.snapshot import read_snapshot, upload_snapshot

        spec = with_stored_secrets(self._connection, spec, name=name)
        spec = with_stored_secrets_of_steps(self._connection, spec, name=name)
        transfer = transfer or Transfer(visible=False)
        spec = upload_inputs(self._connection, spec, transfer)
        code_id = upload_snapshot(
            self._connection,
            snapshot or read_snapshot(spec.code, exclude=spec.snapshot.exclude),
            transfer=transfer,
            # The environment is asked of another host than the files go to.
            meanwhile=lambda: prepare_environment(self._connection, spec.environment),
        )
        return submit_job(self._connection, spec, name=name, code_id=code_id)

    def handle(self, job_name: str) -> JobHandle:
        """Look up a job by its name."""
        from mlflow_azureml_backend.workspace.jobs import read_handle

        return read_handle(self._connection, job_name)

    def details(self, job_name: str, *, brief: bool = False) -> JobDetails:
        """Take one look at a job: status, log files, error; of a pipeline also at its steps.

        Args:
            job_name: The job.
            brief: Make one attempt with short timeouts, for who asks again anyway.
        """
        from mlflow_azureml_backend.workspace.run_history import read_details

        details = read_details(self._connection, job_name, brief=brief)
        if details.steps is None:
            return details
        return self._pipelines.with_steps(job_name, details, brief=brief)

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

    def job_type(self, job_name: str) -> str:
        """Name the kind of a job in the service's words: `Command`, `Sweep` or `Pipeline`."""
        from mlflow_azureml_backend.workspace.jobs import properties_of, read_job

        return str(properties_of(read_job(self._connection, job_name)).get("jobType", "Command"))

    def sweep(self, job_name: str) -> SweepState | None:
        """Take one look at a sweep and its trials; None for a job that is no sweep."""
        from mlflow_azureml_backend.workspace.sweeps import read_sweep

        return read_sweep(self._connection, job_name)

    def models(self, job_name: str) -> WorkspaceModels:
        """Give the workspace's registered models that come from a job."""
        from mlflow_azureml_backend.workspace.model_registry import WorkspaceModels

        return WorkspaceModels(self._connection, job_name)

    def metric_curves(self, job_name: str, keys: Iterable[str]) -> dict[str, MetricCurve]:
        """Give the curves of the first metrics of a job."""
        from mlflow_azureml_backend.workspace.metric_curves import read_curves

        return read_curves(self.tracked_run(job_name), keys)

    def bring_artifacts(
        self, job_name: str, path: str, *, there: Sequence[str], dest: Path
    ) -> list[str]:
        """Download the artifacts below a path that are not there yet; give their paths.

        Raises:
            WorkspaceError: Not all of them could be read.
        """
        from mlflow_azureml_backend.workspace.download import download_files
        from mlflow_azureml_backend.workspace.run_files import run_files

        with run_files(self._connection, job_name) as files:
            lacking = [
                file
                for file in files.artifacts()
                if file.path.startswith(f"{path}/") and file.path not in there
            ]
            failed = [file for file in download_files(lacking, dest) if file.error]
        if failed:
            raise WorkspaceError(f"'{failed[0].path}' could not be read: {failed[0].error}")
        return [file.path for file in lacking]

    def run_tags(self, job_name: str) -> dict[str, str]:
        """Give the tags of the MLflow run that the job logs to in this workspace."""
        data = self.tracked_run(job_name).read().get("data") or {}
        return {tag["key"]: str(tag.get("value", "")) for tag in data.get("tags", [])}

    def tracked_run(self, job_name: str) -> TrackedRun:
        """Give the MLflow run that the job logs to in this workspace."""
        return TrackedRun(self._connection, job_name)

    def open_run(
        self,
        *,
        experiment_name: str,
        run_name: str | None,
        started: float,
        tags: Mapping[str, str],
        parameters: Mapping[str, str],
    ) -> WrittenRun:
        """Open a run that is no job's."""
        from mlflow_azureml_backend.workspace.written_run import open_run

        return open_run(
            self._connection,
            experiment_name=experiment_name,
            run_name=run_name,
            started=started,
            tags=tags,
            parameters=parameters,
        )

    def experiment_name(self, experiment_id: str) -> str:
        """Look up an experiment's name."""
        from mlflow_azureml_backend.workspace.written_run import experiment_name

        return experiment_name(self._connection, experiment_id)

    def written_run(self, run_id: str) -> WrittenRun:
        """Give a run that is no job's, to be written."""
        from mlflow_azureml_backend.workspace.written_run import WrittenRun

        return WrittenRun(self._connection, run_id)
