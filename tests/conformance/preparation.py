"""What a recorded session found when it began: made for the replay before it is read.

Nothing is made that the session itself made, so that what the emulator forgets is noticed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from tests.conformance.client import API_VERSION, MANAGEMENT
from tests.conformance.comparison import read_xml
from tests.conformance.recording import WORKSPACE_PATH, blob_size, wire_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conformance.client import Answer, Client
    from tests.conformance.fates import Fates
    from tests.conformance.names import Names
    from tests.conformance.recording import Exchange

_RESOURCE: Final = re.compile(
    r"/(?P<kind>computes|components|environments|data|codes|models|datastores|jobs)/(?P<name>[^/]+)"
    r"(?:/versions/(?P<version>[^/]+))?",
    re.IGNORECASE,
)
_VERSIONED: Final = ("components", "environments", "data", "codes", "models")
_REFERENCE: Final = re.compile(r"azureml:(?P<name>[^:@/]+)(?::(?P<version>[^:@/]+)|@[^:@/]+)?")
_RUN: Final = re.compile(r"/history/.*/runs/(?P<run>[^/]+)", re.IGNORECASE)
_TOTAL: Final = re.compile(r"bytes [\d*-]+/(\d+)")
_ABSENT: Final = 404
_COMMAND_RUNS: Final = ("azureml.scriptrun", "azureml.commandrun", "")


class NotEmulatedError(Exception):
    """What a session builds on is something that the emulator says it does not emulate."""


class Preparation:
    """Bring a workspace to where the recorded one was.

    Args:
        client: asks the emulator.
        names: translates.
        fates: how the recorded jobs went.
        workspace: the path of the recorded workspace.
        exchanges: the whole recording.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        fates: Fates,
        workspace: str,
        exchanges: Sequence[Exchange],
    ) -> None:
        self._client = client
        self._names = names
        self._fates = fates
        self._workspace = workspace
        self._settled: set[str] = set()
        self._containers: set[tuple[str, str]] = set()
        self._contents = dict(_contents(exchanges))
        self.known: dict[str, list[Any]] = {}
        self.left_out: dict[str, str] = {}

    def settle(self, exchange: Exchange) -> None:
        """Note that the session itself made, changed or removed what an exchange speaks of."""
        self._settled.add(_place(exchange))

    def before(self, exchange: Exchange) -> None:
        """Make what an exchange presupposes.

        Raises:
            NotEmulatedError: the emulator refuses to make it.
        """
        if exchange.is_blob:
            self._blobs(exchange)
        elif exchange.status == _ABSENT and exchange.method == "GET":
            self._absent(exchange)
        elif exchange.status < 300:
            self._resources(exchange)

    def _resources(self, exchange: Exchange) -> None:
        method, body = exchange.method, exchange.body
        if exchange.is_regional and "/mferp/" not in exchange.path:
            self._runs(exchange)
            return
        found = _RESOURCE.match(exchange.resource)
        if method == "GET" or (method == "PUT" and exchange.status == 200):
            is_list = isinstance(body, dict) and isinstance(body.get("value"), list)
            for resource in _resources_in(body):
                try:
                    self._ensure(resource)
                except NotEmulatedError as error:
                    if not is_list:
                        raise
                    self.left_out[str(resource["id"])] = str(error)
        elif method in {"POST", "DELETE", "PATCH"} and found and "versions" not in exchange.path:
            body = body if isinstance(body, dict) else {}
            self._ensure(self._plain(found["kind"].lower(), found["name"], body))
        if method == "PUT" and found and found["kind"].lower() == "jobs":
            self._references((exchange.request_body or {}).get("properties") or {})
        if method == "PUT" and found and found["kind"].lower() == "components":
            sent = (exchange.request_body or {}).get("properties") or {}
            spec = sent.get("componentSpec") or {}
            self._references({"environmentId": spec.get("environment")})

    def _runs(self, exchange: Exchange) -> None:
        """Make the job whose run is read."""
        sent = exchange.request_body if isinstance(exchange.request_body, dict) else {}
        found = _RUN.search(exchange.path)
        run = found["run"] if found else sent.get("runId")
        if not run or f"arm /jobs/{run}".lower() in self._settled:
            return
        body = exchange.body if isinstance(exchange.body, dict) else {}
        metadata = body.get("runMetadata", body)
        marks = metadata.get("properties") or {}
        kind = str(metadata.get("runType") or marks.get("azureml.runsource") or "")
        if kind.lower() not in _COMMAND_RUNS:
            raise NotEmulatedError(f"The run {run} is of the kind {kind}, not a command job's.")
        self._ensure(self._plain("jobs", str(run), {}))

    def _plain(self, kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a resource of which the recording tells nothing but its name."""
        properties: dict[str, Any] = {}
        if kind == "jobs":
            properties = {
                "jobType": "Command",
                "command": "true",
                "environmentId": "azureml:recorded:1",
            }
        elif kind == "computes":
            properties = {"computeType": "AmlCompute", "properties": {}}
        elif kind == "datastores":
            secret = body if "secretsType" in body else {"secretsType": "AccountKey"}
            properties = {
                "datastoreType": "AzureBlob",
                "accountName": "account",
                "containerName": "container",
                "credentials": {"credentialsType": secret["secretsType"], "secrets": {**secret}},
            }
        return {"id": f"{self._workspace}/{kind}/{name}", "name": name, "properties": properties}

    def _ensure(self, resource: Mapping[str, Any]) -> None:
        path = WORKSPACE_PATH.sub("", str(resource["id"]))
        found = _RESOURCE.fullmatch(path)
        if found is None or f"arm {path}".lower() in self._settled:
            return
        self._settled.add(f"arm {path}".lower())
        kind, name, version = found["kind"].lower(), found["name"], found["version"]
        properties = dict(resource.get("properties") or {})
        if kind in _VERSIONED and version is None:
            version = properties.get("latestVersion")
            if not version:
                return
            properties = {
                "dataUri": "https://account.blob.core.windows.net/data",
                "modelUri": "https://account.blob.core.windows.net/model",
                "codeUri": "https://account.blob.core.windows.net/code",
                **{key: properties[key] for key in ("dataType",) if key in properties},
            }
            path = f"/{kind}/{name}/versions/{version}"
            self._settled.add(f"arm {path}".lower())
        if kind == "environments" and not properties.get("image") and not properties.get("build"):
            properties["image"] = f"mcr.microsoft.com/azureml/curated/{name}:{version}"
        if kind == "datastores":
            properties["credentials"] = _with_secrets(properties.get("credentials") or {})
        if kind == "jobs":
            self._references(properties)
        own = self._names.text(f"{self._workspace}{path}")
        document = self._fates.steered(name, {**resource, "properties": properties})
        document = self._names.document(document)
        url = f"{MANAGEMENT}{own}?api-version={API_VERSION}"
        # A cluster of this name may be every workspace's own; this one is as it was recorded.
        if kind == "computes" or self._client.send("GET", url).status != 200:
            self.known.setdefault(own.lower(), []).append(_determining(document))
            self._put(url, document)

    def _references(self, job: Mapping[str, Any]) -> None:
        """Make the environment, code and compute that a job names."""
        job = {**(job.get("trial") or {}), **job}
        environment = str(job.get("environmentId") or "")
        if short := _REFERENCE.fullmatch(environment):
            environment = f"/environments/{short['name']}/versions/{short['version'] or 1}"
        for reference in (environment, job.get("codeId"), job.get("computeId")):
            path = WORKSPACE_PATH.sub("", str(reference or "").removeprefix("azureml:"))
            found = _RESOURCE.fullmatch(path)
            if found is None:
                continue
            kind = found["kind"].lower()
            properties: dict[str, Any] = {}
            if kind == "computes":
                properties = {
                    "computeType": "AmlCompute",
                    "properties": {"scaleSettings": {"maxNodeCount": 100, "minNodeCount": 0}},
                }
            elif kind == "codes":
                properties = {"codeUri": "https://account.blob.core.windows.net/container/code"}
            if kind in _VERSIONED and found["version"] is None:
                path += "/versions/1"
            self._ensure({"id": f"{self._workspace}{path}", "properties": properties})

    def _absent(self, exchange: Exchange) -> None:
        """Remove what every workspace of the emulator has, where the recorded one had none."""
        place = _place(exchange)
        found = _RESOURCE.fullmatch(exchange.resource)
        is_common = found and found["kind"].lower() in {"computes", "datastores"}
        if is_common and place not in self._settled:
            url = f"{MANAGEMENT}{self._names.text(exchange.path)}?api-version={API_VERSION}"
            self._client.send("DELETE", url)

    def _put(self, url: str, document: Any) -> None:
        answer = self._client.json("PUT", url, document)
        if reason := answer.not_emulated:
            raise NotEmulatedError(reason)
        # Any other refusal shows in the exchange itself.

    def _blobs(self, exchange: Exchange) -> None:
        _, _, rest = exchange.path.partition("/")
        container, _, blob = rest.partition("/")
        is_container = exchange.query.get("restype") == "container"
        makes = exchange.method == "PUT" and is_container
        if not (makes and exchange.status == 201) and "ContainerNotFound" not in str(
            exchange.headers.get("x-ms-error-code")
        ):
            self._container(exchange.account, container)
        listed = exchange.query.get("comp") == "list"
        if listed and exchange.status == 200 and isinstance(exchange.body, str):
            for each in _listed(exchange.body):
                self._blob(exchange.account, container, **each)
        elif not is_container and blob and _is_read(exchange):
            self._blob(
                exchange.account,
                container,
                name=unquote(blob),
                size=_size_of(exchange),
                headers=exchange.headers,
            )

    def _container(self, account: str, container: str) -> None:
        own = self._own(account, container)
        if own in self._containers or self._names.signature(*own) is not None:
            return
        self._containers.add(own)
        self._client.send("PUT", f"{_blob_url(*own)}?restype=container")

    def _blob(
        self, account: str, container: str, *, name: str, size: int, headers: Mapping[str, str]
    ) -> None:
        place = f"blob {account}/{container}/{name}".lower()
        if place in self._settled:
            return
        self._settled.add(place)
        own_account, own_container = self._own(account, container)
        url = _blob_url(own_account, own_container, self._names.text(name))
        content = self._contents.get(place, b"")[:size].ljust(size, b"\n")
        kept = {key: text for key, text in headers.items() if key.lower().startswith("x-ms-meta-")}
        kept["Content-Type"] = headers.get("Content-Type", "application/octet-stream")
        is_append = headers.get("x-ms-blob-type") == "AppendBlob"
        kept["x-ms-blob-type"] = "AppendBlob" if is_append else "BlockBlob"
        self._client.send("PUT", url, headers=kept, body=b"" if is_append else content)
        if is_append and content:
            self._client.send("PUT", f"{url}?comp=appendblock", body=content)

    def _own(self, account: str, container: str) -> tuple[str, str]:
        return self._names.text(account), self._names.text(container)


def _with_secrets(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Add the secrets, which the service never shows with a datastore."""
    kind = credentials.get("credentialsType")
    field = {"AccountKey": "key", "Sas": "sasToken"}.get(str(kind))
    if field is None or credentials.get("secrets"):
        return dict(credentials)
    return {**credentials, "secrets": {"secretsType": kind, field: "REDACTED"}}


def _determining(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of a resource comes back as it was sent: not what the service adds by itself."""
    own = ("systemData", "createdOn", "modifiedOn", "currentNodeCount", "targetNodeCount")
    also = ("nodeStateCounts", "allocationState", "allocationStateTransitionTime", "status")
    return {
        name: _determining(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if name not in own + also
    }


def _blob_url(account: str, container: str, blob: str = "") -> str:
    path = f"{container}/{quote(blob)}" if blob else container
    return f"https://{account}.blob.core.windows.net/{path}"


def _place(exchange: Exchange) -> str:
    if exchange.is_blob:
        return f"blob {exchange.account}{unquote(exchange.path)}".lower()
    return f"arm {exchange.resource}".lower()


def _resources_in(body: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(body, dict):
        return
    for each in body["value"] if isinstance(body.get("value"), list) else [body]:
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            yield each


def _is_read(exchange: Exchange) -> bool:
    """Tell whether the blob was there: it was read, described anew, or in the way of a new one."""
    if exchange.method in {"GET", "HEAD"}:
        return exchange.status in {200, 206, 416}
    return exchange.method in {"PUT", "DELETE"} and (
        exchange.status == 409
        or exchange.method == "DELETE"
        or exchange.query.get("comp") == "metadata"
    )


def _size_of(exchange: Exchange) -> int:
    if total := _TOTAL.match(exchange.headers.get("Content-Range", "")):
        return int(total[1])
    if exchange.status == 416:
        return 0
    size = blob_size(exchange.body)
    return size if size is not None else int(exchange.headers.get("Content-Length", 0))


def _contents(exchanges: Sequence[Exchange]) -> Iterator[tuple[str, bytes]]:
    """Give what was read of blobs, by their places: a listing may come before the reading."""
    for exchange in exchanges:
        body = exchange.body
        if exchange.is_blob and exchange.method == "GET" and exchange.status in {200, 206}:
            if blob_size(body) is not None:
                yield _place(exchange), wire_bytes(body)
            elif body is not None and "comp" not in exchange.query:
                text = body if isinstance(body, str) else json.dumps(body)
                yield _place(exchange), text.encode()


def _listed(document: str) -> Iterator[dict[str, Any]]:
    """Give the blobs of a listing."""
    listing = read_xml(document)
    for each in listing.get("Blobs") or () if isinstance(listing, dict) else ():
        if "Properties" not in each:
            continue
        properties = each["Properties"]
        metadata = each.get("Metadata") or {}
        headers = {f"x-ms-meta-{name}": str(text) for name, text in metadata.items()}
        headers["Content-Type"] = properties.get("Content-Type", "")
        headers["x-ms-blob-type"] = properties.get("BlobType", "")
        yield {
            "name": each["Name"],
            "size": int(properties.get("Content-Length") or 0),
            "headers": headers,
        }


def answered(answer: Answer) -> Any:
    """Give an answer's JSON document, or None."""
    try:
        return json.loads(answer.content)
    except ValueError:
        return None
