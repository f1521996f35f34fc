"""Open, fill and end a run of the workspace that is no job's, by MLflow's REST API.

Writing it as plain JSON needs no azureml-mlflow on the client.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.workspace.changed_file import reading
from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile
    from mlflow_azureml_backend.workspace.connection import Connection

LONGEST_TAG = 1000
_THREADS = 16
_BATCH = 100  # MLflow's limit on the params, and on the tags, of one request
_CUT = "…"


def open_run(
    connection: Connection,
    *,
    experiment_name: str,
    run_name: str | None,
    started: float,
    tags: Mapping[str, str],
    parameters: Mapping[str, str],
) -> WrittenRun:
    """Open a run, in an experiment that is made if there is none.

    Args:
        connection: The workspace.
        experiment_name: The experiment.
        run_name: The run's name, or None to leave it to the service.
        started: When it began, in seconds since 1970.
        tags: Its tags; longer values than the service keeps are cut off.
        parameters: Its params.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    body = {
        "experiment_id": _experiment(connection, experiment_name),
        "start_time": int(started * 1000),
        "tags": _tags(tags),
        **({"run_name": run_name} if run_name else {}),
    }
    answer = _post(connection, "runs/create", body, doing="opening the run")
    info = answer["run"]["info"]
    run = WrittenRun(connection, info["run_id"])
    pairs = [{"key": key, "value": value} for key, value in parameters.items()]
    for start in range(0, len(pairs), _BATCH):
        body = {"run_id": run.run_id, "params": pairs[start : start + _BATCH]}
        _post(connection, "runs/log-batch", body, doing="logging the run's parameters")
    return run


class WrittenRun:
    """A run of the workspace that this package writes.

    Args:
        connection: The workspace.
        run_id: The run.
    """

    def __init__(self, connection: Connection, run_id: str) -> None:
        self.run_id = run_id
        self._connection = connection

    @property
    def experiment_id(self) -> str:
        """The run's experiment."""
        return str(self.read()["info"]["experiment_id"])

    def read(self) -> dict[str, Any]:
        """Give MLflow's run object.

        Raises:
            NotFoundError: There is no such run.
        """
        return TrackedRun(self._connection, self.run_id).read()

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags; longer values than the service keeps are cut off."""
        body = {"run_id": self.run_id, "tags": _tags(tags)}
        _post(self._connection, "runs/log-batch", body, doing="tagging the run")

    def end(self, status: str, ended: float) -> None:
        """Give the run its last status.

        Args:
            status: MLflow's spelling.
            ended: When it ended, in seconds since 1970.
        """
        body = {"run_id": self.run_id, "status": status, "end_time": int(ended * 1000)}
        _post(self._connection, "runs/update", body, doing="ending the run")

    def token(self) -> str | None:
        """Ask for a token by which a process of the run can log to it; None where there is none."""
        url = (
            f"{self._connection.api}/history/v1.0{self._connection.ref.arm_id}"
            f"/experimentids/{self.experiment_id}/runs/{self.run_id}/token"
        )
        try:
            answer = self._connection.json("GET", url, doing="asking for the run's token")
        except WorkspaceError:
            return None  # the process then signs in as the user does
        return answer.get("token")

    def put(self, files: Sequence[SnapshotFile]) -> None:
        """Store files as the run's artifacts; what it has of that name stays as it is.

        Args:
            files: Each with its path in the run.

        Raises:
            ProjectError: A file cannot be read any more.
            WorkspaceError: The service refused, or could not be reached.
        """
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobClient

        arguments: dict[str, Any] = dict(self._connection.endpoint.client_arguments)
        by_name = {file.name: file for file in files}

        def put(place: tuple[str, str]) -> None:
            name, url = place
            file = by_name[name]
            with (
                service_errors(f"storing '{name}'"),
                BlobClient.from_blob_url(url, **arguments) as blob,
                suppress(ResourceExistsError),  # somebody completes the run at the same time
                reading(file.path),
                file.path.open("rb") as stream,
            ):
                blob.upload_blob(stream, overwrite=False)

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="artifacts") as pool:
            # list() waits for all and raises the first failure.
            list(pool.map(put, self._places(list(by_name))))

    def _places(self, names: list[str]) -> Iterator[tuple[str, str]]:
        """Give each artifact that is not there yet, with the signed URL to write it."""
        if not names:
            return
        url = (
            f"{self._connection.api}/history/v1.0{self._connection.ref.arm_id}"
            f"/experimentids/{self.experiment_id}/runs/{self.run_id}/artifacts/batch/metadata"
        )
        for start in range(0, len(names), _BATCH):
            paths = [{"path": name} for name in names[start : start + _BATCH]]
            answer = self._connection.json(
                "POST", url, body={"paths": paths}, doing="storing the run's artifacts"
            )
            for name, place in (answer.get("artifactContentInformation") or {}).items():
                yield name, place["contentUri"]


def experiment_name(connection: Connection, experiment_id: str) -> str:
    """Look up an experiment's name.

    Args:
        connection: The workspace.
        experiment_id: The experiment.

    Raises:
        NotFoundError: There is none.
    """
    url = f"{_base(connection)}/experiments/get"
    query = {"experiment_id": experiment_id}
    answer = connection.json("GET", url, query=query, doing=f"reading experiment {experiment_id}")
    return str(answer["experiment"]["name"])


def _experiment(connection: Connection, name: str) -> str:
    def find() -> str:
        url = f"{_base(connection)}/experiments/get-by-name"
        query = {"experiment_name": name}
        answer = connection.json("GET", url, query=query, doing=f"looking for experiment '{name}'")
        return str(answer["experiment"]["experiment_id"])

    with suppress(NotFoundError):
        return find()
    try:
        answer = _post(
            connection, "experiments/create", {"name": name}, doing=f"making experiment '{name}'"
        )
    except WorkspaceError:
        return find()  # another run of it was faster
    return str(answer["experiment_id"])


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": shortened(value)} for key, value in tags.items()]


def shortened(text: str) -> str:
    """Cut a tag's value to what the service keeps."""
    return text if len(text) <= LONGEST_TAG else text[: LONGEST_TAG - len(_CUT)] + _CUT


def _post(connection: Connection, call: str, body: dict[str, Any], *, doing: str) -> dict[str, Any]:
    return connection.json("POST", f"{_base(connection)}/{call}", body=body, doing=doing)


def _base(connection: Connection) -> str:
    return f"{connection.api}/mlflow/v2.0{connection.ref.arm_id}/api/2.0/mlflow"
