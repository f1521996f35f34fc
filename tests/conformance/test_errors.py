"""The refusals of the service, in its own words: status, envelope, message and inner codes."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.client import Client
from tests.conformance.fates import status_in
from tests.conformance.recording import FOLDER
from tests.conformance.shapes import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.client import Answer

VERSION = "api-version=2023-04-01-preview"
HISTORY = "https://eastus.api.azureml.ms/history/v1.0"

# Method, path below the workspace, status, message, inner codes; `{}` is a name of the client's.
REFUSALS = [
    ("GET", "/jobs/{}", 404, "Job {} not found.", "NotFound > JobNotFound"),
    ("POST", "/jobs/{}/cancel", 404, "Job {} not found.", "NotFound > JobNotFound"),
    ("GET", "/datastores/{}", 404, "Could not find datastore: {}.", "NotFoundError"),
    ("POST", "/datastores/{}/listSecrets", 404, "Could not find datastore: {}.", "NotFoundError"),
    (
        "GET",
        "/environments/{}",
        404,
        "No environment exists for name: {}, version: , label: ",
        "NotFoundError",
    ),
    (
        "GET",
        "/data/{}/versions/2",
        404,
        "Data version {}:2 (dataContainerName:version) not found.",
        "NotFoundError",
    ),
    ("GET", "/data/{}/versions", 404, "{} container was not found.", "NotFoundError"),
    ("GET", "/models/{}", 404, "The specified resource was not found.", ""),
    ("GET", "/models/{}/versions/1", 404, "The specified resource was not found.", ""),
    ("GET", "/codes/{}/versions/1", 404, "The specified resource was not found.", ""),
    ("GET", "/components/{}", 404, "Not found component {}.", "NotFound > ComponentNotFound"),
]
ENVELOPE = ["ComponentName", "Correlation", "Environment", "Location", "Time"]


@pytest.fixture
def client(emulator: Any) -> Iterator[Client]:
    with closing(Client(emulator)) as made:
        yield made


@pytest.fixture
def arm(workspace: Any) -> str:
    return f"https://management.azure.com{workspace.arm_id}"


def error_of(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.content)
    assert list(document) == ["error"]
    return dict(document["error"])


def inner_codes(error: dict[str, Any]) -> str:
    info = {each["type"]: each["info"]["value"] for each in error["additionalInfo"]}
    codes, inner = [], info.get("InnerError")
    while inner:
        codes.append(inner["code"])
        inner = inner["innerError"]
    return " > ".join(codes)


@pytest.mark.parametrize(("method", "path", "status", "message", "inner"), REFUSALS)
def test_a_refusal_is_worded_as_the_service_words_it(
    method: str, path: str, status: int, message: str, inner: str, client: Client, arm: str
) -> None:
    name = "test_594403285257"

    answer = client.send(method, f"{arm}{path.format(name)}?{VERSION}")

    error = error_of(answer)
    assert (answer.status, error["code"]) == (status, "UserError")
    assert error["message"] == message.format(name)
    assert inner_codes(error) == inner
    assert error["details"] == []
    assert [each["type"] for each in error["additionalInfo"]][:5] == ENVELOPE
    assert answer.headers["x-ms-response-type"] == "error"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_missing_job_carries_the_format_of_its_message(client: Client, arm: str) -> None:
    error = error_of(client.send("GET", f"{arm}/jobs/missing?{VERSION}"))

    assert {"type": "MessageFormat", "info": {"value": "Job {jobId} not found."}} in error[
        "additionalInfo"
    ]
    assert {"type": "MessageParameters", "info": {"value": {"jobId": "missing"}}} in error[
        "additionalInfo"
    ]


def test_a_missing_workspace_is_answered_in_arms_own_form(client: Client, arm: str) -> None:
    answer = client.send("GET", f"{arm}-2?{VERSION}")

    name = arm.rpartition("/")[2]
    assert answer.status == 404
    assert json.loads(answer.content) == {
        "error": {
            "code": "ResourceNotFound",
            "message": (
                f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}-2' under "
                "resource group 'tests' was not found. For more details please go to "
                "https://aka.ms/ARMResourceNotFoundFix"
            ),
        }
    }
    assert answer.headers["x-ms-failure-cause"] == "gateway"
    assert "x-aml-cluster" not in answer.headers


def test_a_missing_compute_is_answered_with_no_body(client: Client, arm: str) -> None:
    answer = client.send("GET", f"{arm}/computes/missing?{VERSION}")

    assert (answer.status, answer.content) == (404, b"")
    assert answer.headers["x-ms-response-type"] == "standard"
    assert "Content-Type" not in answer.headers


def test_a_finished_job_is_not_canceled(client: Client, arm: str) -> None:
    environment = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
    client.json("PUT", f"{arm}/environments/plain/versions/1?{VERSION}", environment)
    job = {"jobType": "Command", "command": "true", "environmentId": "azureml:plain:1"}
    assert client.json("PUT", f"{arm}/jobs/mine?{VERSION}", {"properties": job}).status == 201
    url, deadline = f"{arm}/jobs/mine?{VERSION}", time.monotonic() + 180
    while status_in(json.loads(client.send("GET", url).content)) not in TERMINAL:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    answer = client.send("POST", f"{arm}/jobs/mine/cancel?{VERSION}")

    error = error_of(answer)
    assert (answer.status, error["code"]) == (400, "UserError")
    assert error["message"] == "The pipeline run mine is in terminal status, it can't be canceled."
    assert inner_codes(error) == "BadArgument > ArgumentInvalid > CancelPipelineRunInTerminalStatus"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("HEAD", "/container/missing", {}, 404, "BlobNotFound"),
        ("GET", "/container/missing", {}, 404, "BlobNotFound"),
        ("GET", "/missing/blob", {}, 404, "ContainerNotFound"),
        ("PUT", "/container?restype=container", {}, 409, "ContainerAlreadyExists"),
        ("PUT", "/container/empty", {"If-None-Match": "*"}, 409, "BlobAlreadyExists"),
        ("GET", "/container/empty", {"x-ms-range": "bytes=0-99"}, 416, "InvalidRange"),
    ],
)
def test_storage_refuses_with_its_codes(
    method: str, path: str, headers: Any, status: int, code: str, client: Client, workspace: Any
) -> None:
    storage = f"https://ac{workspace.workspace_name[-8:]}.blob.core.windows.net"
    block = {"x-ms-blob-type": "BlockBlob"}
    client.send("PUT", f"{storage}/container?restype=container")
    assert client.send("PUT", f"{storage}/container/empty", headers=block, body=b"").status == 201

    sent = {**block, **headers} if method == "PUT" else headers
    answer = client.send(method, f"{storage}{path}", headers=sent, body=b"" if sent else None)

    assert (answer.status, answer.headers["x-ms-error-code"]) == (status, code)
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert f"<Code>{code}</Code>" in answer.text
        assert answer.headers["Content-Type"] == "application/xml"
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */0"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings of real traffic are not here")
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal[0]} {refusal[1]}")
def test_the_words_are_those_that_were_recorded(refusal: Any) -> None:
    _, _, errors = (FOLDER / "ANALYSIS.md").read_text().partition("## (c) Error answers")

    words = re.escape(refusal[3]).replace(r"\{\}", r"[\w-]+").rstrip(r"\ ")
    assert re.search(words, errors)
