"""A workspace of the emulator that runs are logged to as a job would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import requests
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.workspace.connection import Connection
from mlflow_azureml_backend.workspace.endpoint import emulator_endpoint
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow_azureml_backend.job import WorkspaceRef


class SourceWorkspace:
    """Log to a workspace with MLflow's own client, and read it with this package.

    Args:
        ref: The workspace.
        monkeypatch: Sets the variable that holds the token.
    """

    def __init__(self, ref: WorkspaceRef, monkeypatch) -> None:
        self.connection = Connection(ref, emulator_endpoint())
        token = self.connection.token("https://management.azure.com/.default")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        self.client = MlflowClient(f"{self.connection.api}/mlflow/v2.0{ref.arm_id}")
        self.experiment_id = self.client.create_experiment("source")

    def open_run(self) -> str:
        """Open a run, and give its id."""
        return str(self.client.create_run(self.experiment_id).info.run_id)

    def source(self, run_id: str) -> TrackedRun:
        """Give the run as mirroring reads it."""
        return TrackedRun(self.connection, run_id)

    def upload(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Log artifacts of a run, or of a logged model, as azureml-mlflow does."""
        url = (
            f"{self.connection.api}/history/v1.0{self.connection.ref.arm_id}"
            f"/experimentids/{self.experiment_id}/runs/{run_id}/artifacts/batch/metadata"
        )
        body = {"paths": [{"path": path} for path in files]}
        answer = self.connection.json("POST", url, body=body, doing="logging artifacts")
        told = answer["artifactContentInformation"]
        with requests.Session() as session, ThreadPoolExecutor(8) as pool:

            def put(path: str) -> None:
                session.put(
                    told[path]["contentUri"],
                    data=files[path],
                    headers={"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"},
                    timeout=60,
                ).raise_for_status()

            list(pool.map(put, files))

    def upload_folder(self, run_id: str, folder: Path, *, below: str = "") -> None:
        """Log all files of a folder."""
        files = {
            below + file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
        self.upload(run_id, files)
