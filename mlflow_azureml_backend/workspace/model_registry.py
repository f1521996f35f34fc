"""The workspace's model registry, by MLflow's REST API: azureml-mlflow is not needed for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.model_spec import ModelVersion
from mlflow_azureml_backend.workspace.jobs import read_job
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.workspace.connection import Connection

_PAGE = 200
_SECONDS_UNTIL_READY = 300.0
_PENDING = "PENDING_REGISTRATION"
_GIT = "mlflow.source.git."


class WorkspaceModels:
    """The registered models of a workspace that come from one job.

    Args:
        connection: The workspace.
        job_name: The job, whose name is its run's id.
    """

    def __init__(self, connection: Connection, job_name: str) -> None:
        self._connection = connection
        self._run_id = job_name
        self._job: dict[str, Any] | None = None

    def lineage(self) -> dict[str, str]:
        """Say which commit the job's project was at."""
        job = self._properties()
        return {
            key: str(value)
            for key, value in (job.get("properties") or {}).items()
            if key.startswith(_GIT)
        }

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Give the versions that come from the job, oldest first.

        Args:
            name: Only those of this registered model.
        """
        found = [
            self._version(item)
            for item in self._pages(
                "model-versions/search", "model_versions", filter=f"run_id='{self._run_id}'"
            )
        ]
        chosen = [version for version in found if name is None or version.name == name]
        return sorted(chosen, key=lambda version: (version.name, int(version.version)))

    def create(self, name: str, path: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register the job's model as a new version, and wait until it is ready.

        Args:
            name: The registered model; made when it is missing.
            path: Where the model is in the job's run.
            tags: Tags of the version.

        Raises:
            NotFoundError: There is no MLflow model; says where there are some.
            WorkspaceError: The registry refused, or the version did not become ready.
        """
        source = self._source(path)
        self._ensure(name)
        given = [{"key": key, "value": value} for key, value in tags.items()]
        body = {"name": name, "run_id": self._run_id, "tags": given, **source}
        version = self._version(self._call("POST", "model-versions/create", body)["model_version"])
        return self._ready(version)

    def delete(self, version: ModelVersion) -> None:
        """Take a version back."""
        body = {"name": version.name, "version": version.version}
        self._call("DELETE", "model-versions/delete", body)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let an alias point to a version."""
        body = {"name": version.name, "alias": alias, "version": version.version}
        self._call("POST", "registered-models/alias", body)

    def read(self, version: ModelVersion) -> ModelVersion:
        """Read a version anew."""
        query = {"name": version.name, "version": version.version}
        return self._version(self._call("GET", "model-versions/get", query)["model_version"])

    def _source(self, path: str) -> dict[str, str]:
        """Find the model: a folder of the run's artifacts, or a logged model of MLflow 3."""
        run = TrackedRun(self._connection, self._run_id)
        models = [
            file["path"].rpartition("/")[0]
            for file in run.artifacts()
            if file["path"].endswith("/MLmodel")
        ]
        info = run.read()["info"]
        if path in models:
            return {"source": f"{info['artifact_uri'].rstrip('/')}/{path}"}
        logged = self._logged_models(str(info["experiment_id"]))
        ids = [model["model_id"] for model in logged if model.get("name") == path]
        if ids:
            return {"source": f"models:/{ids[0]}", "model_id": ids[0]}
        there = sorted({*models, *(str(model.get("name")) for model in logged)})
        told = f"It has: {', '.join(there)}." if there else "It has none."
        raise NotFoundError(f"Job '{self._run_id}' has no MLflow model at '{path}'. {told}")

    def _logged_models(self, experiment_id: str) -> list[dict[str, Any]]:
        """Give the job's logged models, newest first; a workspace may not know of such."""
        body = {
            "experiment_ids": [experiment_id],
            "filter": f"source_run_id = '{self._run_id}'",
            "order_by": [{"field_name": "creation_timestamp", "ascending": False}],
        }
        try:
            answer = self._call("POST", "logged-models/search", body)
        except NotFoundError:
            return []
        return [model["info"] for model in answer.get("models") or []]

    def _ensure(self, name: str) -> None:
        try:
            self._call("GET", "registered-models/get", {"name": name})
        except NotFoundError:
            try:
                self._call("POST", "registered-models/create", {"name": name})
            except WorkspaceError:
                # Somebody else was faster, or it cannot be.
                self._call("GET", "registered-models/get", {"name": name})

    def _ready(self, version: ModelVersion) -> ModelVersion:
        deadline = time.monotonic() + _SECONDS_UNTIL_READY
        pause = 0.2
        while version.status == _PENDING and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
            version = self.read(version)
        if version.status != "READY":
            raise WorkspaceError(
                f"Version {version.version} of model '{version.name}' is {version.status}."
            )
        return version

    def _version(self, item: Mapping[str, Any]) -> ModelVersion:
        name, version = str(item["name"]), str(item["version"])
        return ModelVersion(
            name=name,
            version=version,
            status=str(item.get("status") or "READY"),
            source=str(item.get("source") or ""),
            run_id=str(item.get("run_id") or ""),
            tags={tag["key"]: str(tag.get("value", "")) for tag in item.get("tags") or []},
            aliases=tuple(item.get("aliases") or ()),
            link=self._link(name, version),
        )

    def _link(self, name: str, version: str) -> str | None:
        """Give the link of the studio's page, on the host that has the page of the job."""
        job = self._properties()
        studio = ((job.get("services") or {}).get("Studio") or {}).get("endpoint")
        if not studio:
            return None
        host = urlsplit(studio)
        page = f"{host.scheme}://{host.netloc}/model/{quote(name)}:{version}/details"
        return f"{page}?wsid={self._connection.ref.arm_id}"

    def _properties(self) -> dict[str, Any]:
        if self._job is None:
            self._job = read_job(self._connection, self._run_id)["properties"]
        return self._job

    def _pages(self, call: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        given: dict[str, Any] = {**query, "max_results": _PAGE}
        while True:
            page = self._call("GET", call, given)
            yield from page.get(key) or []
            token = page.get("next_page_token")
            if not token:
                return
            given["page_token"] = token

    def _call(self, method: str, call: str, given: Mapping[str, Any]) -> dict[str, Any]:
        connection = self._connection
        url = f"{connection.api}/mlflow/v2.0{connection.ref.arm_id}/api/2.0/mlflow/{call}"
        doing = f"asking the model registry of workspace '{connection.ref.workspace_name}'"
        if method == "GET":
            return connection.json(method, url, query=dict(given), doing=doing)
        return connection.json(method, url, body=dict(given), doing=doing)
