"""Read the MLflow run that a job logs to the workspace, by MLflow's REST API.

The run's id is the job's name. Reading it as plain JSON needs no azureml-mlflow on the client.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlflow_azureml_backend.workspace.connection import Connection

_PAGE = 25_000
_CHUNK = 4 << 20
_RUNS_A_PAGE = 200


def is_unfinished(run: Mapping[str, Any]) -> bool:
    """Tell whether a run goes on, by MLflow's run object."""
    return run["info"].get("status") in {"RUNNING", "SCHEDULED"}


class TrackedRun:
    """The workspace's MLflow run of one job.

    Args:
        connection: The workspace.
        run_id: The job's name.
    """

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id

    def read(self, *, brief: bool = False) -> dict[str, Any]:
        """Give MLflow's run object: `info`, and `data` with params, latest metrics and tags.

        Args:
            brief: Make one attempt with short timeouts.

        Raises:
            NotFoundError: The run is not there (yet).
        """
        run: dict[str, Any] = self._get("runs/get", brief=brief, run_id=self._run_id)["run"]
        return run

    def last_metrics(self, data: Mapping[str, Any] | None = None) -> Mapping[str, float]:
        """Give the last value of each metric.

        Args:
            data: The run's `data`, where it was read already.
        """
        data = self.read().get("data") or {} if data is None else data
        # MLflow writes what JSON has no number for as a text: "NaN", "Infinity".
        return {item["key"]: float(item["value"]) for item in data.get("metrics", [])}

    def metric_history(self, key: str) -> Iterator[dict[str, Any]]:
        """Give every logged point of a metric: `key`, `value`, `timestamp`, `step`."""
        token = ""
        while True:
            query: dict[str, Any] = {"metric_key": key, "max_results": _PAGE}
            if token:
                query["page_token"] = token
            page = self._get("metrics/get-history", run_id=self._run_id, **query)
            yield from page.get("metrics", [])
            token = page.get("next_page_token") or ""
            if not token:
                return

    def children(self, *, brief: bool = False) -> Iterator[dict[str, Any]]:
        """Give MLflow's run object of each child run, the oldest first.

        Args:
            brief: Make one attempt with short timeouts.

        Raises:
            NotFoundError: The run is not there (yet).
        """
        body: dict[str, Any] = {
            "experiment_ids": [self.read(brief=brief)["info"]["experiment_id"]],
            "filter": f"tags.mlflow.parentRunId = '{self._run_id}'",
            "order_by": ["attributes.start_time ASC"],
            "max_results": _RUNS_A_PAGE,
        }
        while True:
            page = self._connection.json(
                "POST",
                self._url("runs/search"),
                body=body,
                doing=f"reading the child runs of '{self._run_id}'",
                brief=brief,
            )
            yield from page.get("runs") or []
            token = page.get("next_page_token")
            if not token:
                return
            body["page_token"] = token

    def artifacts(self) -> list[dict[str, Any]]:
        """List the run's files: `path` and `size` in bytes, sorted by path."""
        from mlflow_azureml_backend.workspace.run_files import run_files

        # The service's list of artifacts knows no sizes: storage does.
        with run_files(self._connection, self._run_id) as files:
            return [{"path": file.path, "size": file.size} for file in files.artifacts()]

    def download(self, path: str, target: Path) -> None:
        """Write one artifact to a file, creating its folders.

        Args:
            path: As `artifacts` lists it.
            target: The file.
        """
        url = f"{self._artifacts_url()}/contentinfo"
        info = self._connection.json("GET", url, query={"path": path}, doing=f"reading '{path}'")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while chunk := self._connection.bytes_from(
                info["contentUri"], offset=file.tell(), size=_CHUNK
            ):
                file.write(chunk)

    def wait_until_readable(self, timeout: float = 30.0) -> None:
        """Return once the run can be read, as MLflow's calls right after submission need it.

        Args:
            timeout: Seconds.

        Raises:
            UnavailableError: It did not appear in time; the job itself exists.
        """
        deadline = time.monotonic() + timeout
        pause = 0.1
        while True:
            try:
                self.read()
            except NotFoundError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"Job '{self._run_id}' was submitted, but its MLflow run did not appear "
                        f"within {timeout:.0f} seconds."
                    ) from error
                time.sleep(pause)
                pause = min(2 * pause, 2.0)
            else:
                return

    def _artifacts_url(self) -> str:
        base = f"{self._connection.api}/history/v1.0{self._connection.ref.arm_id}"
        experiment = self.read()["info"]["experiment_id"]
        return f"{base}/experimentids/{experiment}/runs/{self._run_id}/artifacts"

    def _url(self, call: str) -> str:
        base = f"{self._connection.api}/mlflow/v2.0{self._connection.ref.arm_id}"
        return f"{base}/api/2.0/mlflow/{call}"

    def _get(self, call: str, *, brief: bool = False, **query: Any) -> dict[str, Any]:
        return self._connection.json(
            "GET",
            self._url(call),
            query=query,
            doing=f"reading MLflow run '{self._run_id}'",
            brief=brief,
        )
