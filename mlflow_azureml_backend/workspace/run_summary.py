"""What a job logged to its run, put together for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.job import Artifact, RunSummary
from mlflow_azureml_backend.workspace.jobs import properties_of, read_job
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.connection import Connection

# The output that every job has: where the service keeps its artifacts.
_DEFAULT_OUTPUT = "default"


def read_summary(connection: Connection, job_name: str) -> RunSummary:
    """Read params, last metrics, artifacts and named outputs of a job.

    Raises:
        WorkspaceError: One of them could not be read.
    """
    run = TrackedRun(connection, job_name)
    data = run.read().get("data") or {}
    outputs = properties_of(read_job(connection, job_name)).get("outputs") or {}
    return RunSummary(
        params=MappingProxyType({item["key"]: item["value"] for item in data.get("params", [])}),
        metrics=run.last_metrics(data),
        artifacts=tuple(Artifact(path=file["path"], size=file["size"]) for file in run.artifacts()),
        outputs=MappingProxyType(
            {
                name: str((output or {}).get("uri") or "")
                for name, output in outputs.items()
                if name != _DEFAULT_OUTPUT
            }
        ),
    )
