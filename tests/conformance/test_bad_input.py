"""Bad input of every kind, drawn from the official OpenAPI: a refusal, and never a failure."""

from __future__ import annotations

import copy
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.emulator.application import all_routes
from tests.conformance.client import Client
from tests.conformance.openapi import FOLDER, specification

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conformance.client import Answer

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the official OpenAPI is not beside this checkout"
)
ARM = "https://management.azure.com"
LISTED = {"jobs", "environments", "data", "models", "datastores", "computes"}
ROUTES = [route for route in all_routes() if route.service == "arm"]
NAMES = (
    "mine",
    "cpu-cluster",
    "workspaceblobstore",
    "1",
    "plain",
    "a/b",
    "..",
    "é",
    "x" * 300,
    " ",
)
# Texts that no shell would do anything with: what a job says it runs is run.
TEXTS = st.text(alphabet="0123456789-_.:é{}\0 ", max_size=20)
COMMANDS = st.sampled_from(("true", "exit 1", "", " ", 5, None))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
VERSIONS = st.sampled_from(("2024-04-01", "2022-05-01", "2023-04-01-preview", "1", ""))


def from_schema(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> Any:
    """Draw documents that a schema allows."""
    if "$ref" in schema:
        return from_schema(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    if "anyOf" in schema:
        return st.one_of([from_schema(each, definitions, depth) for each in schema["anyOf"]])
    if "enum" in schema and "allOf" not in schema:
        return st.sampled_from(schema["enum"])
    if "allOf" in schema:
        return st.sampled_from(schema["allOf"]).flatmap(
            lambda choice: _subtype(choice, definitions, depth)
        )
    if schema.get("type") == "object":
        return _object(schema, definitions, depth)
    return _plain(schema, definitions, depth)


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:
    kind = str(schema.get("type"))
    if kind == "array":
        return st.lists(from_schema(schema["items"], definitions, depth + 1), max_size=2)
    plain = {"string": TEXTS, "boolean": st.booleans(), "integer": st.integers(-2, 2**40)}
    return plain.get(kind, ANYTHING)


def _subtype(choice: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:
    (name,) = choice["if"]["required"]
    value = choice["if"]["properties"][name]["const"]
    drawn = from_schema(choice["then"], definitions, depth)
    return drawn.map(lambda document: {**document, name: value})


def _object(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:
    needed, optional = {}, {}
    for name, below in schema.get("properties", {}).items():
        if below is False:
            continue
        if name in schema.get("required", ()):
            needed[name] = from_schema(below, definitions, depth + 1)
        elif depth < 4:
            optional[name] = st.deferred(
                lambda below=below: from_schema(below, definitions, depth + 1)
            )
    if not needed and not optional:
        return st.dictionaries(TEXTS, TEXTS, max_size=2)
    return st.fixed_dictionaries(needed, optional=optional)


@st.composite
def requests(draw: Any) -> tuple[str, str, bytes | None]:
    """Draw a request to one of the emulator's routes: as it may be, or spoiled."""
    route = draw(st.sampled_from(ROUTES))
    judge = specification("2024-04-01")
    filled = route.path
    for name in ("name", "version", "job", "operation", "location"):
        filled = filled.replace(f"{{{name}}}", quote(draw(st.sampled_from(NAMES)), safe=""))
    query = {"api-version": draw(VERSIONS)}
    for name in ("$top", "$skip", "$orderBy", "listViewType", "count", "hash"):
        if draw(st.integers(0, 5)) == 0:
            query[name] = draw(TEXTS)
    url = f"{ARM}{filled}?" + "&".join(f"{name}={quote(text)}" for name, text in query.items())
    return route.method, url, draw(_bodies(judge, route))


@st.composite
def _bodies(draw: Any, judge: Any, route: Any) -> bytes | None:
    if route.method not in {"PUT", "POST", "PATCH"}:
        return None
    operation = judge.operation(route.method, route.path.replace("{", "").replace("}", ""))
    schema = judge.body_schema(operation) if operation else None
    drawn = ANYTHING if schema is None else from_schema(schema, schema["$defs"])
    samples = list(_examples(operation))
    document = draw(drawn | st.sampled_from(samples) if samples else drawn)
    document = copy.deepcopy(document)
    spoil = draw(st.integers(0, 4))
    if spoil == 0:
        document = _spoiled(draw, document)
    if isinstance(document, dict) and isinstance(document.get("properties"), dict):
        if "command" in document["properties"]:
            document["properties"]["command"] = draw(COMMANDS)
        if draw(st.booleans()) and "environmentId" in document["properties"]:
            document["properties"] |= {"environmentId": "azureml:plain:1", "codeId": None}
            document["properties"]["computeId"] = None
    if spoil == 1:
        return draw(st.sampled_from((b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"properties": 1}')))
    return json.dumps(document).encode()


def _examples(operation: Any) -> Iterator[Any]:
    """Give the bodies of the official examples of an operation."""
    for each in operation.document.get("x-ms-examples", {}).values() if operation else ():
        file = operation.file.parent / each["$ref"]
        if file.is_file():
            parameters = json.loads(file.read_text())["parameters"]
            yield from (body for body in parameters.values() if isinstance(body, dict))


def _spoiled(draw: Any, document: Any) -> Any:
    """Put anything in the place of something."""
    if not isinstance(document, dict) or not document or draw(st.integers(0, 2)) == 0:
        return draw(ANYTHING)
    name = draw(st.sampled_from(sorted(document)))
    return {**document, name: _spoiled(draw, document[name])}


@pytest.fixture
def client(emulator: Any, workspace: Any) -> Iterator[Client]:
    with closing(Client(emulator)) as made:
        environment = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
        url = f"{ARM}{workspace.arm_id}/environments/plain/versions/1?api-version=2024-04-01"
        assert made.json("PUT", url, environment).status == 201
        yield made


def is_refusal(answer: Answer) -> bool:
    """Tell whether an answer is a refusal in one of the forms that the services use."""
    if not answer.content:  # a missing compute
        return answer.status == 404
    error = json.loads(answer.content)["error"]
    return bool(error["code"]) and bool(error["message"]) and "Traceback" not in answer.text


def check(request: tuple[str, str, bytes | None], client: Client, workspace: Any) -> None:
    method, url, body = request
    for name, text in (
        ("subscription", workspace.subscription_id),
        ("group", workspace.resource_group),
        ("workspace", workspace.workspace_name),
    ):
        url = url.replace(f"{{{name}}}", text)

    answer = client.send(method, url, headers={"Content-Type": "application/json"}, body=body)

    event(f"{method} {answer.status}")
    assert answer.status < 500 or answer.status == 501, (request, answer.text)
    assert answer.status < 400 or is_refusal(answer), (request, answer.text)
    asked = (
        url.partition(workspace.workspace_name)[2].strip("/").partition("/")[0].partition("?")[0]
    )
    for kind in {"jobs", asked} & LISTED:
        listed = client.send("GET", f"{ARM}{workspace.arm_id}/{kind}?api-version=2024-04-01")
        assert listed.status == 200, (request, kind, listed.text)


_SETTINGS = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(_SETTINGS, derandomize=True)  # the long one is for what is new
@given(request=requests())
def test_whatever_is_asked_is_answered_and_the_store_stays_whole(
    request: Any, client: Client, workspace: Any
) -> None:
    check(request, client, workspace)


@pytest.mark.campaign
@settings(_SETTINGS, max_examples=2000)
@given(request=requests())
def test_whatever_is_asked_is_answered_for_a_long_time(
    request: Any, client: Client, workspace: Any
) -> None:
    check(request, client, workspace)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("api-version=", "MissingApiVersionParameter"),
        ("api-version=1", "NoRegisteredProviderFound"),
        ("api-version=2024-13-01", "NoRegisteredProviderFound"),
        ("api-version=2017-01-01", "NoRegisteredProviderFound"),
        ("api-version=2999-01-01", "NoRegisteredProviderFound"),
        ("api-version=2024-04-01'", "NoRegisteredProviderFound"),
    ],
)
def test_a_version_that_cannot_be_one_is_refused_in_the_manager_s_own_form(
    query: str, code: str, client: Client, workspace: Any
) -> None:
    answer = client.send("GET", f"{ARM}{workspace.arm_id}/jobs/mine?{query}")

    assert answer.status == 400
    error = json.loads(answer.text)["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message"}


@pytest.mark.parametrize("version", ["2018-03-01-preview", "2024-04-01", "2026-05-01-preview"])
def test_a_version_that_may_be_one_is_taken(version: str, client: Client, workspace: Any) -> None:
    answer = client.send("GET", f"{ARM}{workspace.arm_id}/jobs?api-version={version}")

    assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": "Basic bm9ib2R5"}, 401),
    ],
)
def test_who_does_not_sign_in_is_refused(
    headers: Any, status: int, emulator: Any, workspace: Any
) -> None:
    import requests as plain

    with plain.Session() as session:
        session.trust_env = False
        session.proxies, session.verify = {"https": emulator.proxy}, emulator.ca_file
        url = f"{ARM}{workspace.arm_id}/jobs?api-version=2024-04-01"
        answer = session.get(url, headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("size", [(64 << 20) + 1])
def test_a_giant_body_is_refused(size: int, client: Client, workspace: Any) -> None:
    url = f"{ARM}{workspace.arm_id}/jobs/mine?api-version=2024-04-01"

    answer = client.send("PUT", url, body=b" " * size)

    assert answer.status == 413
    assert is_refusal(answer)
    assert client.send("GET", url).status == 404
