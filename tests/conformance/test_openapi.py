"""The judge itself: what the official OpenAPI allows and what it does not, and what is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.conformance.openapi import FOLDER, problems, specification, violations, without_nulls
from tests.conformance.traffic import Traffic
from tests.signing_in import access_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conformance.openapi import Operation

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the official OpenAPI is not beside this checkout"
)
WORKSPACE = (
    "/subscriptions/5b5ab2ff-1d1f-4f2b-a9e5-b8e7c0a5f3c1/resourceGroups/group"
    "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
)
# The official examples themselves break the specification here.
KNOWN = ("'Scheduled' is not one of", "nvidia.com/gpu")
JOB = {
    "properties": {
        "jobType": "Command",
        "command": "python train.py",
        "environmentId": "azureml:plain:1",
        "inputs": {"data": {"jobInputType": "uri_folder", "uri": "azureml://datastores/d/paths/p"}},
        "tags": {"a": None},
    }
}


def exchange(body: Any, status: int = 200, answer: Any = None, **replaced: Any) -> dict[str, Any]:
    return {
        "method": "PUT",
        "uri": f"https://management.azure.com{WORKSPACE}/jobs/mine?api-version=2024-04-01",
        "request_headers": {"user-agent": "azure-ai-ml/1.35.2"},
        "request_body": body,
        "status": status,
        "response_headers": {},
        "response_body": body if answer is None else answer,
        **replaced,
    }


def changed(path: str, value: Any) -> Any:
    document = json.loads(json.dumps(JOB))
    *before, last = path.split(".")
    holder = document
    for name in before:
        holder = holder[name]
    holder[last] = value
    return document


def examples() -> Iterator[tuple[Operation, Path]]:
    if FOLDER.is_dir():
        for operation in specification("2024-04-01").operations:
            for example in operation.document.get("x-ms-examples", {}).values():
                file = operation.file.parent / example["$ref"]
                if file.is_file():
                    yield operation, file


@pytest.mark.parametrize(
    ("operation", "file"), list(examples()), ids=lambda each: getattr(each, "stem", "")
)
def test_the_official_examples_are_valid(operation: Operation, file: Path) -> None:
    judge = specification("2024-04-01")
    example = json.loads(file.read_text())
    found = []
    wanted = judge.body_schema(operation)
    bodies = [each for each in example["parameters"].values() if isinstance(each, dict)]
    if wanted is not None and bodies:
        found.extend(violations(wanted, bodies[0]))
    for status, answer in example["responses"].items():
        given = judge.answer_schema(operation, int(status))
        if given is not None and "body" in answer:
            found.extend(violations(given, without_nulls(answer["body"])))

    unknown = [each for each in found if not any(known in ".".join(each) for known in KNOWN)]
    assert unknown == []


def test_a_plain_job_is_valid() -> None:
    assert problems(exchange(JOB)) == []


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (changed("properties.comand", "true"), "properties", "comand"),
        (changed("properties.command", 1), "properties.command", "not of type 'string'"),
        (changed("properties.jobType", "Comand"), "properties.jobType", "is not one of"),
        (changed("properties.status", "Running"), "properties", "False schema"),
        (
            changed("properties.inputs.data.jobInputType", "x"),
            "properties.inputs.data.jobInputType",
            "x",
        ),
        (changed("properties.inputs.data.url", "x"), "properties.inputs.data", "url"),
        (changed("properties.tags.a", 1), "properties.tags.a", "not of type 'string'"),
        ({"properties": {"jobType": "Command", "command": "x"}}, "properties", "environmentId"),
        ({}, "", "'properties' is a required property"),
    ],
)
def test_a_request_that_breaks_the_specification_is_told_of(
    body: Any, field: str, said: str
) -> None:
    found = [each for each in problems(exchange(body)) if each.part == "request"]

    assert any(each.field == field and said in each.message for each in found), found


def test_an_answer_that_breaks_the_specification_is_told_of() -> None:
    (found,) = problems(exchange(JOB, answer=changed("properties.status", "Done")))

    assert (found.part, found.field) == ("response", "properties.status")


def test_an_answer_may_have_fields_that_the_specification_does_not_know() -> None:
    assert problems(exchange(JOB, answer=changed("properties.parameters", {}))) == []


def test_an_unknown_status_and_an_unknown_operation_are_told_of() -> None:
    (status,) = problems(exchange(JOB, status=204))
    (operation,) = problems(exchange(JOB, method="PATCH"))

    assert status.part == "status"
    assert "no operation" in operation.message


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("2024-04-01", "2024-04-01"),
        ("2024-10-01-preview", "2024-04-01"),
        ("2022-05-01", "2024-04-01"),
    ],
)
def test_a_version_is_judged_by_the_nearest_one(version: str, folder: str) -> None:
    assert specification(version).operations[0].file.parent.name == folder


def test_what_breaks_the_specification_is_found_in_a_recording_once(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text(f"{json.dumps(exchange(JOB))}\n{json.dumps(exchange({}))}\n")
    traffic = Traffic(file)

    first, second = traffic.faults(), traffic.faults()

    assert any("Jobs_CreateOrUpdate request body" in fault for fault in first)
    assert second == []
    assert traffic.checked == 2


def test_the_traffic_of_the_shared_emulator_is_recorded_without_its_secrets(
    workspace: Any, recorded_traffic: dict[Path, Any]
) -> None:
    endpoint = workspace.endpoint
    with requests.Session() as session:
        session.trust_env = False
        session.proxies, session.verify = {"https": endpoint.proxy}, endpoint.ca_file
        token = access_token(endpoint)
        url = f"https://management.azure.com{workspace.arm_id}/datastores/workspaceblobstore"
        headers = {"Authorization": f"Bearer {token}"}
        answer = session.post(f"{url}/listSecrets?api-version=2024-10-01", headers=headers)
        upload = session.post(
            f"https://management.azure.com{workspace.arm_id}/codes/c/versions/1/startPendingUpload"
            "?api-version=2024-04-01",
            headers=headers,
            json={"pendingUploadType": "TemporaryBlobReference"},
        )
    sas = upload.json()["blobReferenceForConsumption"]["credential"]["sasUri"]
    signature = sas.partition("sig=")[2].partition("&")[0]

    text = "".join(file.read_text() for file in recorded_traffic)
    assert f"{url}/listSecrets" in text
    for secret in (token, answer.json()["key"], endpoint.client_secret, signature):
        assert len(secret) > 20
        assert secret not in text
