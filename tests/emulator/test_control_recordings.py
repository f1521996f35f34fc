"""The answers of the emulator beside those of the service, as they were recorded in 2022 and 2023.

Every recorded answer of a supported route is asked for again, in a workspace that holds what the
recorded one held. Each field of the recorded answer has to be there, with the same JSON type.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    Ask = Callable[..., requests.Response]

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
MANAGEMENT = "https://management.azure.com"
WORKSPACE = re.compile(
    r"/subscriptions/00000000-0000-0000-0000-000000000/resourceGroups/00000"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/00000",
    re.IGNORECASE,
)
REGION = re.compile(r"https://[a-z0-9]+\.api\.azureml(-test)?\.ms")

# Methods and paths below the workspace; all others belong to features that are not emulated.
SUPPORTED = re.compile(
    r"GET |GET https://\S+/discovery"
    r"|(GET|PUT|DELETE) /datastores(/[^/]+)?|POST /datastores/[^/]+/listSecrets"
    r"|(GET|PUT|DELETE) /computes/[^/]+"
    r"|(GET|PUT) /(codes|environments|data|models)/[^/]+(/versions(/[^/]+)?)?"
    r"|POST /codes/[^/]+/versions/[^/]+/startPendingUpload"
    r"|(GET|PUT) /jobs/[^/]+"
)
# Names of a user's own choice: there is nothing to compare below them.
FREE = re.compile(
    r"(value\.)?properties\.(tags|properties|environmentVariables|parameters)"
    r"|(runMetadata\.)?(tags|properties|parameters|inputs|outputs|logFiles|actionUris)"
)
TOLERATED = (
    "properties.resourceId",  # a cluster made once before had a resource behind it
    "runDefinition",  # clients do not read it
    "runMetadata.cancelUri",  # another service's
)

DATASTORE = {
    "datastoreType": "AzureBlob",
    "accountName": "account",
    "containerName": "container",
    "credentials": {
        "credentialsType": "AccountKey",
        "secrets": {"secretsType": "AccountKey", "key": "a2V5"},
    },
}
# A cluster that never has a node: jobs on it end before anything runs.
CLUSTER = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"maxNodeCount": 0}}}
ENVIRONMENT = {"image": "mcr.microsoft.com/azureml/base"}
CODE = {"codeUri": "https://account.blob.core.windows.net/container/code"}


class Exchange:
    """One recorded request and its answer, moved to another workspace when they are needed."""

    def __init__(self, file: Path, index: int, recorded: dict[str, Any]) -> None:
        self._recorded = recorded
        self.method: str = recorded["method"]
        self.status: int = recorded["status"]
        self.path = WORKSPACE.split(recorded["uri"].partition("?")[0])[-1]
        self.name = f"{file.stem}-{index}-{self.method}"

    @property
    def is_supported(self) -> bool:
        if not SUPPORTED.fullmatch(f"{self.method} {self.path}".replace(MANAGEMENT, "")):
            return False
        if self.status >= 400 or not self.path.startswith(("/jobs/", "/environments/")):
            return True
        answer = self._recorded["response_body"]
        if self.path.startswith("/environments/"):
            return answer.get("properties", {}).get("environmentType") != "Curated"
        # Runs on the client's own machine are another feature, as are other types of jobs.
        job = answer["properties"]
        local = (job.get("resources") or {}).get("properties") or {}
        return job["jobType"] == "Command" and "IsLocal" not in local

    def url(self, workspace: Any) -> str:
        uri = WORKSPACE.sub(workspace.arm_id, self._recorded["uri"])
        return REGION.sub("https://eastus.api.azureml.ms", uri)

    def request(self, workspace: Any) -> Any:
        return self._moved("request_body", workspace)

    def answer(self, workspace: Any) -> Any:
        return self._moved("response_body", workspace)

    @property
    def headers(self) -> dict[str, str]:
        return dict(self._recorded["response_headers"])

    def _moved(self, part: str, workspace: Any) -> Any:
        return json.loads(WORKSPACE.sub(workspace.arm_id, json.dumps(self._recorded[part])))


def exchanges() -> Iterator[Exchange]:
    for file in sorted(RECORDINGS.glob("*.json")):
        for index, recorded in enumerate(json.loads(file.read_text())["entries"]):
            exchange = Exchange(file, index, recorded)
            if exchange.is_supported:
                yield exchange


def prepare(exchange: Exchange, ask: Ask, workspace: Any) -> None:
    """Bring the workspace to where the recorded one was before the request."""
    answer = exchange.answer(workspace)
    if exchange.status >= 400:
        return
    if answer is None or "secretsType" in answer:
        owner = CLUSTER if "/computes/" in exchange.path else DATASTORE
        ask("PUT", exchange.path.removesuffix("/listSecrets"), {"properties": owner})
        return
    for resource in answer.get("value", [answer]):
        path = resource.get("id", workspace.arm_id).removeprefix(workspace.arm_id)
        if path.startswith("/jobs/"):
            make_what_it_refers_to(resource["properties"], ask)
        # Every workspace has datastores of these names.
        if exchange.status == 201 or not path or path.startswith("/datastores/workspace"):
            continue
        if "latestVersion" in resource["properties"]:
            path += f"/versions/{resource['properties']['latestVersion']}"
            resource["properties"]["dataUri"] = "https://account.blob.core.windows.net/data"
        ask("PUT", path, resource).raise_for_status()


def make_what_it_refers_to(job: dict[str, Any], ask: Ask) -> None:
    environment = re.sub(
        r"azureml:(.+):(.+)", r"/environments/\1/versions/\2", job["environmentId"]
    )
    if "/versions/" not in environment:
        environment += "/versions/1"
    for resource, properties in (
        (environment, ENVIRONMENT),
        (job["computeId"], CLUSTER),
        (job["codeId"], CODE),
    ):
        if resource:
            url = resource if "/workspaces/" not in resource else f"{MANAGEMENT}{resource}"
            ask("PUT", url, {"properties": properties}).raise_for_status()


def differences(recorded: Any, answered: Any, path: str = "") -> Iterator[str]:
    """Tell which recorded fields are missing in an answer, or of another type."""
    if recorded is None or path in TOLERATED:
        return
    if type(recorded) is not type(answered):
        yield f"{path}: {recorded!r} was recorded, and {answered!r} is answered"
    elif FREE.fullmatch(path) and "vmSize" not in recorded:
        return  # the properties of a cluster's properties are the service's own
    elif isinstance(recorded, dict):
        for name, value in recorded.items():
            below = f"{path}.{name}".strip(".")
            if name in answered:
                yield from differences(value, answered[name], below)
            else:
                yield f"{below}: is missing"
    elif isinstance(recorded, list):
        # Entries are of the same thing when they have the same name, or type in errors.
        named = {_name(each): each for each in answered}
        for each in recorded:
            if _name(each) in named:
                yield from differences(each, named[_name(each)], path)


def _name(entry: Any) -> Any:
    return entry.get("name", entry.get("type")) if isinstance(entry, dict) else repr(entry)


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings are here")


@needs_recordings
@pytest.mark.parametrize("exchange", list(exchanges()), ids=lambda exchange: exchange.name)
def test_every_recorded_field_is_answered_with_its_type(
    exchange: Exchange, ask: Ask, workspace: Any
) -> None:
    prepare(exchange, ask, workspace)

    answer = ask(exchange.method, exchange.url(workspace), exchange.request(workspace))

    assert answer.status_code == exchange.status
    assert answer.headers["x-ms-response-type"] == exchange.headers["x-ms-response-type"]
    for header in ("Location", "Azure-AsyncOperation"):
        assert (header in answer.headers) == (header in exchange.headers)
    recorded = exchange.answer(workspace)
    if recorded is None:
        assert not answer.content
    else:
        assert list(differences(recorded, answer.json())) == []


@pytest.fixture
def completed(jobs: Any) -> str:
    """Give the name of a job that has completed."""
    assert jobs.run("ended", "echo done", description="as recorded")["status"] == "Completed"
    return "ended"


@needs_recordings
def test_run_details_have_every_recorded_field(completed: str, ask: Ask, history: str) -> None:
    analysis = (RECORDINGS / "ANALYSIS.md").read_text()
    _, _, block = analysis.partition("**GET run details (Completed)**")
    recorded = json.loads(re.search(r"```json\n(?://[^\n]*\n)?(.+?)```", block, re.DOTALL)[1])

    answer = ask("GET", f"{history}/runs/{completed}/details").json()

    assert list(differences(recorded, answer)) == []


@needs_recordings
def test_run_data_has_every_recorded_field(completed: str, ask: Ask, history: str) -> None:
    recorded = entry("pipeline_job__test_pipeline_job_download.json", 20)

    answer = ask("POST", f"{history}/rundata", {**recorded["request_body"], "runId": completed})

    assert list(differences(recorded["response_body"], answer.json())) == []


@needs_recordings
def test_a_cancelation_is_answered_and_polled_as_it_was_recorded(
    jobs: Any, ask: Ask, workspace: Any
) -> None:
    file = "command_job__test_command_job_dependency_label_resolution.json"
    asked, going_on, done = (entry(file, index) for index in (18, 19, 20))
    jobs.submit("long", "trap '' TERM; sleep 1000").raise_for_status()

    answer = ask("POST", "/jobs/long/cancel")

    assert (answer.status_code, answer.text) == (asked["status"], "null")
    assert all(header in answer.headers for header in asked["response_headers"])
    polled = []
    while not polled or polled[-1].status_code == going_on["status"]:
        polled.append(ask("GET", answer.headers["Location"]))
    for poll in polled[:-1]:
        assert poll.json() == going_on["response_body"]
        assert poll.headers["Location"] == answer.headers["Location"]
    assert polled[-1].status_code == done["status"]
    assert not polled[-1].content
    assert jobs.get("long")["status"] == "Canceled"


def entry(file: str, index: int) -> dict[str, Any]:
    return dict(json.loads((RECORDINGS / file).read_text())["entries"][index])
