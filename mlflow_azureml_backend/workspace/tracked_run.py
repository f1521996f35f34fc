"""Read the MLflow run that a job logs to the workspace, by MLflow's REST API.

The run's id is the job's name. Reading it as plain JSON needs no azureml-mlflow on the client.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.listed_files import ListedFiles

# Points of a request: MLflow gives up to 25,000; some are read side by side.
_PAGE = 10_000
_MODELS_A_PAGE = 50
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

    def tags(self) -> dict[str, str]:
        """Give the run's tags.

        Raises:
            NotFoundError: The run is not there (yet).
        """
        data = self.read().get("data") or {}
        return {tag["key"]: tag.get("value", "") for tag in data.get("tags", [])}

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
        for _, points in self.metric_pages(key):
            yield from points

    def metric_pages(
        self, key: str, *, start: str = ""
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Give the history of a metric, each page with the place at which it begins.

        Args:
            key: The metric.
            start: The place of the page to begin with; empty: the first.
        """
        token = start
        while True:
            query: dict[str, Any] = {"metric_key": key, "max_results": _PAGE}
            if token:
                query["page_token"] = token
            page = self._get("metrics/get-history", run_id=self._run_id, **query)
            yield token, page.get("metrics", [])
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
                f"{self._api}/runs/search",
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
        with self.files() as files:
            return files.listed

    @contextmanager
    def files(self) -> Iterator[ListedFiles]:
        """Open the run's artifacts, for listing and downloading."""
        from mlflow_azureml_backend.workspace.listed_files import ListedFiles
        from mlflow_azureml_backend.workspace.run_files import run_files

        with run_files(self._connection, self._run_id) as files:
            yield ListedFiles(files)

    def logged_models(self) -> Sequence[dict[str, Any]]:
        """Give the models that the run logged, as MLflow 3 has them.

        The service may know no logged models, as before MLflow 3: then there are none.
        """
        run = self.read()
        outputs = (run.get("outputs") or {}).get("model_outputs") or []
        found = {model["info"]["model_id"]: model for model in self._search_models(run)}
        for output in outputs:
            if output["model_id"] not in found:
                answer = self._get(f"logged-models/{output['model_id']}")
                found[output["model_id"]] = answer["model"]
        return list(found.values())

    @contextmanager
    def model_files(self, model: Mapping[str, Any]) -> Iterator[ListedFiles]:
        """Open the artifacts of a logged model.

        Args:
            model: As `logged_models` gives it.
        """
        from mlflow_azureml_backend.workspace.listed_files import ListedFiles
        from mlflow_azureml_backend.workspace.run_files import run_files

        # The service keeps them as it keeps those of a run whose id is the model's.
        model_id, experiment_id = model["info"]["model_id"], model["info"]["experiment_id"]
        with run_files(self._connection, model_id, experiment_id=experiment_id) as files:
            yield ListedFiles(files)

    def _search_models(self, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {
            "experiment_ids": [run["info"]["experiment_id"]],
            "filter": f"source_run_id = '{self._run_id}'",
            "max_results": _MODELS_A_PAGE,
        }
        while True:
            try:
                page = self._connection.json(
                    "POST",
                    f"{self._api}/logged-models/search",
                    body=query,
                    doing=f"reading the models of MLflow run '{self._run_id}'",
                )
            except WorkspaceError as error:
                if type(error) in {NotFoundError, WorkspaceError}:
                    return  # a service that knows no logged models says so with some 4xx
                raise
            yield from page.get("models", [])
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def log_files(self, path: str) -> dict[str, str]:
        """Give the signed URL of an artifact that is a log, by its path; nothing without it.

        Args:
            path: The artifact's.
        """
        url = f"{self._artifacts_url()}/contentinfo"
        try:
            found = self._connection.json(
                "GET", url, query={"path": path}, doing=f"looking for '{path}'"
            )
        except NotFoundError:
            return {}
        return {path: str(found["contentUri"])}

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

    @property
    def _api(self) -> str:
        return f"{self._connection.api}/mlflow/v2.0{self._connection.ref.arm_id}/api/2.0/mlflow"

    def _get(self, call: str, *, brief: bool = False, **query: Any) -> dict[str, Any]:
        return self._connection.json(
            "GET",
            f"{self._api}/{call}",
            query=query,
            doing=f"reading MLflow run '{self._run_id}'",
            brief=brief,
        )
