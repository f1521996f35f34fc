"""The official OpenAPI of the service, as a judge of requests and answers.

The specification is Swagger 2 with Azure's extensions. Each operation's bodies become JSON schemas:
`allOf` is laid together, a discriminator chooses the subtype, and what may be null is nullable.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator

from tests.conformance.exemptions import is_exempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER: Final = (
    Path(__file__).parents[3]
    / "shared/openapi/specification/machinelearningservices/resource-manager"
    / "Microsoft.MachineLearningServices/stable"
)
"""Where the specification lies beside a checkout of this project, by API versions."""

_FILES: Final = ("mfe.json", "machineLearningServices.json", "workspaceFeatures.json")
_METHODS: Final = ("get", "put", "post", "patch", "delete", "head")
_PARAMETER: Final = re.compile(r"\{[^}]+\}")
_KEPT: Final = ("pattern", "minLength", "maxLength", "minimum", "maximum", "enum", "format")


@dataclass(frozen=True)
class Problem:
    """One way in which an exchange breaks the specification.

    Args:
        operation: the `operationId`, or the method and the path where there is none.
        part: `request`, `response` or `status`.
        field: where, as `properties.inputs.data.uri`.
        message: what is wrong there.
    """

    operation: str
    part: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.operation} {self.part} {self.field or 'body'}: {self.message}"


@dataclass(frozen=True)
class Operation:
    """One operation of the specification.

    Args:
        file: the file it is written in.
        identifier: its `operationId`.
        method: the HTTP method, in upper case.
        path: its template.
        pattern: the template as a regular expression.
        document: all the specification says of it.
    """

    file: Path
    identifier: str
    method: str
    path: str
    pattern: re.Pattern[str]
    document: Mapping[str, Any]


class Specification:
    """The specification of one API version.

    Args:
        folder: its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.operations = tuple(_operations(folder))
        self._folder = folder
        self._subtypes = _subtypes(folder)
        self._schemas: dict[str, dict[str, Any]] = {}

    def operation(self, method: str, path: str) -> Operation | None:
        """Find the operation of a request."""
        for operation in self.operations:
            if operation.method == method.upper() and operation.pattern.fullmatch(path):
                return operation
        return None

    def parameters(self, operation: Operation, place: str) -> list[dict[str, Any]]:
        """Give the parameters of an operation, those it refers to among them."""
        found = (_resolved(operation.file, each)[1] for each in operation.document["parameters"])
        return [each for each in found if each["in"] == place]

    def body_schema(self, operation: Operation) -> dict[str, Any] | None:
        """Give the JSON schema of an operation's request body, or None."""
        for each in operation.document.get("parameters", ()):
            file, parameter = _resolved(operation.file, each)
            if parameter["in"] == "body":
                return self._whole(file, parameter["schema"], is_request=True)
        return None

    def answer_schema(self, operation: Operation, status: int) -> dict[str, Any] | None:
        """Give the JSON schema of an answer's body; None when it has none.

        Raises:
            KeyError: the operation does not answer this status.
        """
        responses = operation.document["responses"]
        # The default is for errors: a success has to be named.
        answer = responses.get(str(status), None)
        if answer is None:
            if status < 400:
                raise KeyError(status)
            answer = responses["default"]
        schema = answer.get("schema")
        return None if schema is None else self._whole(operation.file, schema, is_request=False)

    def _whole(self, file: Path, schema: Mapping[str, Any], *, is_request: bool) -> dict[str, Any]:
        root = self._converted(file, schema, is_request=is_request)
        return {**root, "$defs": self._schemas}

    def _converted(
        self, file: Path, schema: Mapping[str, Any], *, is_request: bool
    ) -> dict[str, Any]:
        if "$ref" in schema:
            target, name, definition = _definition(file, schema["$ref"])
            converted: dict[str, Any] = {
                "$ref": f"#/$defs/{self._named(target, name, definition, is_request=is_request)}"
            }
        elif schema.get("type") == "array":
            items = self._converted(file, schema.get("items", {}), is_request=is_request)
            converted = {"type": "array", "items": items}
        elif "properties" in schema or "allOf" in schema or schema.get("type") == "object":
            converted = self._object(file, schema, is_request=is_request)
        else:
            converted = {key: schema[key] for key in _KEPT if key in schema}
            if "type" in schema:
                converted["type"] = schema["type"]
        if schema.get("x-nullable"):
            return {"anyOf": [converted, {"type": "null"}]}
        return converted

    def _named(
        self, file: Path, name: str, definition: Mapping[str, Any], *, is_request: bool
    ) -> str:
        """Convert a definition once; the name of its schema stands for it, also within itself."""
        key = f"{'request' if is_request else 'response'}-{file.stem}-{name}"
        if key not in self._schemas:
            self._schemas[key] = {}
            self._schemas[key] = self._definition_schema(
                file, name, definition, is_request=is_request
            )
        return key

    def _definition_schema(
        self, file: Path, name: str, definition: Mapping[str, Any], *, is_request: bool
    ) -> dict[str, Any]:
        subtypes = self._subtypes.get(name, {})
        discriminator = definition.get("discriminator")
        if discriminator is None or not subtypes:
            return self._converted(file, definition, is_request=is_request)
        choices = []
        for value, (sub_file, sub_definition) in subtypes.items():
            condition = {
                "properties": {discriminator: {"const": value}},
                "required": [discriminator],
            }
            then = self._object(sub_file, sub_definition, is_request=is_request)
            choices.append({"if": condition, "then": then})
        return {
            "type": "object",
            "required": [discriminator],
            "properties": {discriminator: {"enum": sorted(subtypes)}},
            "allOf": choices,
        }

    def _object(self, file: Path, schema: Mapping[str, Any], *, is_request: bool) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        extra: Any = None
        for part_file, part in _parts(file, schema):
            for name, field in part.get("properties", {}).items():
                if is_request and _is_read_only(part_file, field):
                    properties[name] = False
                else:
                    properties[name] = self._converted(part_file, field, is_request=is_request)
            required.extend(
                name
                for name in part.get("required", ())
                if not (is_request and _is_read_only(part_file, part["properties"].get(name, {})))
            )
            if isinstance(part.get("additionalProperties"), dict):
                extra = self._converted(
                    part_file, part["additionalProperties"], is_request=is_request
                )
        converted: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            converted["required"] = sorted(set(required))
        if extra is not None:
            converted["additionalProperties"] = extra
        elif is_request and properties:
            converted["additionalProperties"] = False
        return converted


def specification(api_version: str) -> Specification:
    """Give the specification for an API version: its own, or the nearest older one that is here."""
    known = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
    older = [version for version in known if version <= api_version[:10]]
    return _loaded((older or known)[-1] if older else known[0])


@cache
def _loaded(version: str) -> Specification:
    return Specification(FOLDER / version)


def problems(exchange: Mapping[str, Any]) -> list[Problem]:
    """Tell in which ways an exchange with Azure Resource Manager breaks the specification.

    Args:
        exchange: a line of the emulator's recording.
    """
    return [each for each in _problems(exchange) if not is_exempt(each, exchange)]


def _problems(exchange: Mapping[str, Any]) -> Iterator[Problem]:
    url = urlsplit(exchange["uri"])
    if url.hostname != "management.azure.com":
        return
    version = parse_qs(url.query).get("api-version", [""])[0]
    method, path, status = exchange["method"], unquote(url.path), exchange["status"]
    judge = specification(version)
    operation = judge.operation(method, url.path)
    if operation is None:
        yield Problem(f"{method} {path}", "request", "", "is no operation of the specification")
        return
    name = operation.identifier
    if not version:
        yield Problem(name, "request", "api-version", "is missing")
    body, answer = exchange["request_body"], exchange["response_body"]
    wanted = judge.body_schema(operation)
    # What is refused may be wrong; what is accepted may not.
    if wanted is not None and status < 400:
        for field, message in violations(wanted, body):
            yield Problem(name, "request", field, message)
    try:
        given = judge.answer_schema(operation, status)
    except KeyError:
        yield Problem(name, "status", "", f"{status} is no answer of this operation")
        return
    if given is None or (answer is None and status >= 400):
        return
    for field, message in violations(given, without_nulls(answer)):
        yield Problem(name, "response", field, message)


def violations(schema: Mapping[str, Any], document: Any) -> Iterator[tuple[str, str]]:
    """Tell the fields in which a document breaks a schema, and how."""
    for error in Draft202012Validator(schema).iter_errors(document):
        for leaf in _leaves(error):
            field = ".".join(str(part) for part in leaf.absolute_path)
            yield field, leaf.message[:300]


def _leaves(error: Any) -> Iterator[Any]:
    """Give the errors below one: of a value that may be null, what is wrong when it is not."""
    if error.validator == "anyOf" and error.context and error.instance is not None:
        for below in error.context:
            if below.schema != {"type": "null"} and below.schema_path[0] == 0:
                yield from _leaves(below)
    else:
        yield error


def without_nulls(document: Any) -> Any:
    """Leave out nulls: clients read a field that is null as one that is not there."""
    if isinstance(document, dict):
        return {key: without_nulls(each) for key, each in document.items() if each is not None}
    if isinstance(document, list):
        return [without_nulls(each) for each in document]
    return document


def _operations(folder: Path) -> Iterator[Operation]:
    for file_name in _FILES:
        file = folder / file_name
        for path, methods in _read(file)["paths"].items():
            pattern = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(path))
            for method in _METHODS:
                if method in methods:
                    document = methods[method]
                    yield Operation(
                        file=file,
                        identifier=document["operationId"],
                        method=method.upper(),
                        path=path,
                        pattern=re.compile(pattern, re.IGNORECASE),
                        document=document,
                    )


def _subtypes(folder: Path) -> dict[str, dict[str, tuple[Path, Mapping[str, Any]]]]:
    """Find the subtypes of definitions that have a discriminator, by the value that tells them."""
    found: dict[str, dict[str, tuple[Path, Mapping[str, Any]]]] = {}
    for file_name in _FILES:
        file = folder / file_name
        for name, definition in _read(file).get("definitions", {}).items():
            for base in _bases(file, definition):
                value = definition.get("x-ms-discriminator-value", name)
                found.setdefault(base, {})[value] = (file, definition)
    return found


def _bases(file: Path, definition: Mapping[str, Any]) -> Iterator[str]:
    for part in definition.get("allOf", ()):
        if "$ref" in part:
            target, name, base = _definition(file, part["$ref"])
            if "discriminator" in base:
                yield name
            yield from _bases(target, base)


def _parts(file: Path, schema: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Give a schema and all that it is made of, the most general first."""
    for part in schema.get("allOf", ()):
        if "$ref" in part:
            target, _, definition = _definition(file, part["$ref"])
            yield from _parts(target, definition)
        else:
            yield from _parts(file, part)
    yield file, schema


def _is_read_only(file: Path, field: Mapping[str, Any]) -> bool:
    mutability = field.get("x-ms-mutability")
    only_read = mutability is not None and set(mutability) == {"read"}
    if field.get("readOnly") or only_read:
        return True
    if "$ref" in field:
        target, _, definition = _definition(file, field["$ref"])
        return bool(definition.get("readOnly")) and target is not None
    return False


def _definition(file: Path, reference: str) -> tuple[Path, str, Mapping[str, Any]]:
    target, document = _resolved(file, {"$ref": reference})
    return target, reference.rpartition("/")[2], document


def _resolved(file: Path, node: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]]:
    while "$ref" in node:
        where, _, pointer = node["$ref"].partition("#")
        if where:
            file = (file.parent / where).resolve()
        node = _read(file)
        for part in pointer.strip("/").split("/"):
            node = node[part]
    return file, node


@cache
def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))
