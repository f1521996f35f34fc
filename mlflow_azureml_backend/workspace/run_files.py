"""Find the files that a job left: its artifacts and its named outputs, wherever they lie."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.workspace.failures import service_errors
from mlflow_azureml_backend.workspace.output_uris import output_uris

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"
_LOOKS = 16
_BACKOFF = 1
OUTPUTS_FOLDER = "named-outputs"
_DATASTORE_URI = re.compile(r"azureml://(?:.+/)?datastores/(?P<name>[^/]+)/paths/(?P<path>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """One file that a job left.

    Args:
        path: POSIX path below the run; those of outputs are `named-outputs/OUTPUT/…`.
        size: Bytes.
        version: Tells one state of the file from another; what was read of one stays true.
        is_fixed: Whether the version ends with any change, so that reads can insist on it; a log
            that is only appended to keeps its version.
        md5: Digest of the content, or None where storage does not know it.
        modified: When it was written.
        blob: Gives an azure-storage client that reads it; asked again when a signature ended.
    """

    path: str
    size: int
    version: str
    is_fixed: bool
    md5: bytes | None
    modified: datetime | None
    blob: Callable[[], Any] = field(repr=False, compare=False)


class RunFiles:
    """The files of one job.

    Args:
        connection: The workspace.
        job_name: The job, or what else has a folder of artifacts.
        experiment_id: The run's experiment; None: asked for.
        client_arguments: What all storage clients share: transport and retry policy.
    """

    def __init__(
        self,
        connection: Connection,
        job_name: str,
        *,
        experiment_id: str | None = None,
        **client_arguments: Any,
    ) -> None:
        self._connection = connection
        self._job_name = job_name
        self._experiment_id = experiment_id
        # `proxies` is a policy's, the CA bundle the transport's, which has it already.
        self._arguments = {**connection.endpoint.client_arguments, **client_arguments}

    def artifacts(self) -> list[RunFile]:
        """List what the job logged to its run and what the service stored there, by path.

        Raises:
            WorkspaceError: The service refused, or could not be reached.
        """
        links = list(self._links())
        with ThreadPoolExecutor(_LOOKS, thread_name_prefix="artifacts") as pool:
            found = pool.map(lambda link: self._artifact(*link), links)
            return sorted((file for file in found if file), key=lambda file: file.path)

    def outputs(self) -> list[RunFile]:
        """List the files of the job's named outputs, by path.

        Raises:
            WorkspaceError: An output lies where this package cannot read.
        """
        found = [
            file for name, uri in self.output_uris().items() for file in self._output(name, uri)
        ]
        return sorted(found, key=lambda file: file.path)

    def output_uris(self) -> dict[str, str]:
        """Give the URI of each named output of an ended job, by its name."""
        return output_uris(self._connection, self._job_name)

    def _links(self) -> Iterator[tuple[str, str]]:
        """Give path and signed URL of every artifact."""
        url = f"{self._artifacts_url}/prefix/contentinfo"
        query: dict[str, Any] = {}
        doing = f"listing the artifacts of job '{self._job_name}'"
        while True:
            try:
                page = self._connection.json("GET", url, query=query, doing=doing)
            except NotFoundError:
                return  # a job that never ran has no folder of artifacts
            for item in page.get("value") or []:
                yield str(item["path"]), str(item["contentUri"])
            token, following = page.get("continuationToken"), page.get("nextLink")
            if token:
                query = {"continuationToken": token}
            elif following:
                url, query = str(following), {}
            else:
                return

    @property
    def _artifacts_url(self) -> str:
        connection = self._connection
        if self._experiment_id is None:
            run = connection.json(
                "GET",
                f"{connection.api}/mlflow/v2.0{connection.ref.arm_id}/api/2.0/mlflow/runs/get",
                query={"run_id": self._job_name},
                doing=f"reading the MLflow run of job '{self._job_name}'",
            )
            self._experiment_id = run["run"]["info"]["experiment_id"]
        return (
            f"{connection.api}/history/v1.0{connection.ref.arm_id}"
            f"/experimentids/{self._experiment_id}/runs/{self._job_name}/artifacts"
        )

    def _artifact(self, path: str, url: str) -> RunFile | None:
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.blob import BlobClient

        def fresh() -> Any:
            answer = self._connection.json(
                "GET",
                f"{self._artifacts_url}/contentinfo",
                query={"path": path},
                doing=f"reading '{path}'",
            )
            return BlobClient.from_blob_url(answer["contentUri"], **self._arguments)

        blob = BlobClient.from_blob_url(url, **self._arguments)
        with service_errors(f"looking at '{path}'"):
            try:
                properties = blob.get_blob_properties()
            except ResourceNotFoundError:
                return None  # announced, and not uploaded
        # A client is fifty kilobytes: of ten thousand files only the URLs are kept.
        first = partial(BlobClient.from_blob_url, url, **self._arguments)
        return _file(path, properties, _first_then(first, fresh))

    def _output(self, name: str, uri: str) -> Iterator[RunFile]:
        match = _DATASTORE_URI.fullmatch(uri)
        if match is None:
            raise WorkspaceError(
                f"Output '{name}' of job '{self._job_name}' is at {uri}, which is not in a "
                "datastore: read it from there, or leave it out with --path."
            )
        folder = match["path"].strip("/")
        container = self._container(match["name"])
        with service_errors(f"listing output '{name}'"):
            for item in container.list_blobs(name_starts_with=folder):
                below = item.name.removeprefix(folder)
                if item.name == folder:  # an output that is a file
                    below = f"/{folder.rpartition('/')[2]}"
                if not below.startswith("/") or _is_folder(item):
                    continue
                blob = partial(container.get_blob_client, item.name)
                yield _file(f"{OUTPUTS_FOLDER}/{name}{below}", item, blob)

    def _container(self, datastore: str) -> Any:
        from azure.storage.blob import ContainerClient

        doing = f"opening datastore '{datastore}'"
        path = f"/datastores/{datastore}"
        facts = self._connection.arm("GET", path, api_version=_API, doing=doing)["properties"]
        container = facts.get("containerName") or facts.get("filesystem")
        if not facts.get("accountName") or not container:
            raise WorkspaceError(
                f"Datastore '{datastore}' is of type {facts.get('datastoreType')}: its files "
                "cannot be downloaded by this command. Leave the output out with --path."
            )
        secrets = self._connection.arm(
            "POST", f"{path}/listSecrets", api_version=_API, body={}, doing=doing
        )
        # A datastore without secrets is opened by the user's own identity.
        credential = secrets.get("sasToken") or secrets.get("key") or self._connection.credential
        endpoint = facts.get("endpoint") or "core.windows.net"
        return ContainerClient(
            f"https://{facts['accountName']}.blob.{endpoint}",
            container,
            credential=credential,
            **self._arguments,
        )


@contextmanager
def run_files(
    connection: Connection, job_name: str, *, experiment_id: str | None = None
) -> Iterator[RunFiles]:
    """Open the files of a job for listing and reading.

    Args:
        connection: The workspace.
        job_name: The job, or what else has a folder of artifacts.
        experiment_id: The run's experiment; None: asked for.
    """
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import ExponentialRetry
    from requests.adapters import HTTPAdapter

    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(pool_connections=_LOOKS, pool_maxsize=2 * _LOOKS))
        transport = RequestsTransport(
            session=session,
            session_owner=False,
            connection_timeout=10,
            read_timeout=60,
            **connection.endpoint.client_arguments,
        )
        # azure-storage's own first pause would be a quarter of a minute.
        retry = ExponentialRetry(
            initial_backoff=_BACKOFF, increment_base=2, retry_total=3, random_jitter_range=1
        )
        yield RunFiles(
            connection,
            job_name,
            experiment_id=experiment_id,
            transport=transport,
            retry_policy=retry,
        )


def _first_then(first: Callable[[], Any], fresh: Callable[[], Any]) -> Callable[[], Any]:
    """Give the client of the URL at hand once, and one of a new URL each time after that."""
    makers = [fresh, first]

    def blob() -> Any:
        return makers.pop()() if len(makers) > 1 else fresh()

    return blob


def _file(path: str, properties: Any, blob: Callable[[], Any]) -> RunFile:
    # What was read of a blob that is only appended to stays true while it grows.
    appended = "append" in str(properties.blob_type).lower()
    version = properties.creation_time if appended else properties.etag
    md5 = (properties.content_settings or {}).get("content_md5")
    return RunFile(
        path=path,
        size=int(properties.size or 0),
        version=str(version),
        is_fixed=not appended,
        md5=None if appended or not md5 else bytes(md5),
        modified=properties.last_modified,
        blob=blob,
    )


def _is_folder(item: Any) -> bool:
    """Tell whether a blob stands for a folder, as accounts with a hierarchy have them."""
    return (item.metadata or {}).get("hdi_isfolder") == "true"
