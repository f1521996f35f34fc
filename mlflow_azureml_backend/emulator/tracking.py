"""The MLflow tracking of the workspaces: the real MLflow server, embedded, one database each."""

from __future__ import annotations

import gc
import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.mlflow_server import MlflowServer
    from mlflow_azureml_backend.emulator.mlflow_stores import WorkspaceTracking
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call

_LOGGER: Final = logging.getLogger(__name__)

_MLFLOW_SETTINGS: Final = {
    # An emulator tells nobody that it runs.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's own idea of workspaces; ours are told apart by their databases.
    "MLFLOW_ENABLE_WORKSPACES": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Say what MLflow knows of a run.

    Args:
        run_id: the run, which is also the job's name.
        run_name: the name people see.
        experiment_id: MLflow's id of its experiment.
        experiment_name: the name of its experiment.
        status: MLflow's spelling: `SCHEDULED`, `RUNNING`, `FINISHED`, `FAILED` or `KILLED`.
        artifact_uri: where clients log and find its artifacts.
        params: its parameters.
        metrics: the latest value of each metric.
        tags: its tags.
    """

    run_id: str
    run_name: str
    experiment_id: str
    experiment_name: str
    status: str
    artifact_uri: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class Tracking:
    """Keep the experiments, runs and models of every workspace, each for itself.

    MLflow is imported at first use, because that takes seconds: `warm` does it ahead of time.
    Every method may be called from any thread.

    Args:
        root: the folder of the databases; made when it is missing.
        region: the Azure region, which names the host in artifact URIs.
        blobs: the storage accounts, in which the artifacts lie.
    """

    def __init__(self, *, root: Path, region: str, blobs: BlobStore) -> None:
        self._root = root
        self._region = region
        self._blobs = blobs
        self._lock = threading.Lock()
        self._server: MlflowServer | None = None

    def warm(self) -> None:
        """Import MLflow and prepare its database in the background; returns at once."""
        threading.Thread(target=self._warm, name="mlflow-import", daemon=True).start()

    def close(self) -> None:
        """Close the databases; nothing may be asked afterwards."""
        # Without the lock: an end does not wait for MLflow to be imported.
        if (server := self._server) is not None:
            server.close()

    def create_run(
        self,
        workspace: WorkspaceKey,
        *,
        run_id: str,
        experiment_name: str,
        run_name: str,
        user: str,
        tags: Mapping[str, str],
        start_time_ms: int,
    ) -> str:
        """Create the run of a job, and its experiment when it is missing or deleted.

        As in Azure ML the run's id is the job's name. The run starts as `SCHEDULED`. A run that
        is already there stays as it is, so that a submission may be repeated.

        Args:
            workspace: where.
            run_id: the job's name.
            experiment_name: the experiment.
            run_name: the name people see: the job's display name.
            user: who submitted the job.
            tags: further tags; they win over the ones every run has.
            start_time_ms: when, in milliseconds since 1970 in UTC.

        Returns:
            The experiment's id.
        """
        return self._runs(workspace).create_job_run(
            run_id=run_id,
            experiment_name=experiment_name,
            run_name=run_name,
            user=user,
            tags={
                "mlflow.user": user,
                "mlflow.runName": run_name,
                "mlflow.rootRunId": run_id,
                "mlflow.source.type": "JOB",
                **tags,
            },
            start_time_ms=start_time_ms,
        )

    def set_status(
        self, workspace: WorkspaceKey, run_id: str, status: str, end_time_ms: int | None
    ) -> None:
        """Set the status of a run, whoever else set it before.

        Args:
            workspace: where.
            run_id: the run.
            status: MLflow's spelling: `SCHEDULED`, `RUNNING`, `FINISHED`, `FAILED` or `KILLED`.
            end_time_ms: when it ended, in milliseconds since 1970 in UTC; None while it has not.

        Raises:
            KeyError: there is no such run.
        """
        self._runs(workspace).set_run_status(run_id, status, end_time_ms)

    def set_tags(self, workspace: WorkspaceKey, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run, replacing those of the same name.

        Raises:
            KeyError: there is no such run.
        """
        self._runs(workspace).set_run_tags(run_id, tags)

    def summary(self, workspace: WorkspaceKey, run_id: str) -> RunSummary:
        """Tell what MLflow knows of a run.

        Raises:
            KeyError: there is no such run.
        """
        return self._runs(workspace).summary(run_id)

    def metric(self, workspace: WorkspaceKey, run_id: str, name: str) -> tuple[float, ...]:
        """Give every number that a run has logged of a metric, in the order of its steps.

        Raises:
            KeyError: there is no such run.
        """
        return self._runs(workspace).metric_values(run_id, name)

    def model_places(self, workspace: WorkspaceKey, name: str) -> tuple[tuple[str, str, str], ...]:
        """Give version, run and place of each version of a registered model."""
        return self._mlflow().stores(workspace).model_places(name)

    def answer(
        self, workspace: WorkspaceKey, call: Call, *, path: str, mounted_at: str = ""
    ) -> Response:
        """Let the MLflow server answer a request about one workspace.

        Args:
            workspace: whose experiments it sees.
            call: the request.
            path: the path below the MLflow server, for example `/api/2.0/mlflow/runs/get`.
            mounted_at: the path before that, for the links the server makes.
        """
        return self._mlflow().answer(workspace, call, path=path, mounted_at=mounted_at)

    def _runs(self, workspace: WorkspaceKey) -> WorkspaceTracking:
        return self._mlflow().stores(workspace).tracking

    def _mlflow(self) -> MlflowServer:
        with self._lock:
            if self._server is None:
                os.environ.update(_MLFLOW_SETTINGS)
                with _nothing_collected():
                    from mlflow_azureml_backend.emulator.mlflow_server import MlflowServer

                    self._server = MlflowServer(
                        root=self._root, region=self._region, blobs=self._blobs
                    )
            return self._server

    def _warm(self) -> None:
        try:
            self._mlflow()
        except Exception:
            # Whoever needs tracking first gets the error; here it would only end a thread.
            _LOGGER.exception("The MLflow server could not be prepared")


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the garbage collector from searching what stays: while it comes, and ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
