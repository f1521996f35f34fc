"""Requests that cannot be right: fields of the wrong kind, and the refusal they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mlflow_azureml_backend.emulator.errors import ServiceError

_CALLED: Final = {str: "a string", int: "a number", bool: "true or false", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Each:
    """Expect an object whose fields have names of the client's choice, and one kind of value.

    Args:
        kind: what each of them has to be.
    """

    kind: Kind


Kind: TypeAlias = type | Each | Mapping[str, "Kind"]
"""What a field may be: a JSON type, an object with known fields, or one with free names."""

DESCRIBED: Final[Mapping[str, Kind]] = {
    "description": str,
    "tags": dict,
    "properties": dict,
    "isArchived": bool,
}
"""The fields that describe a resource."""


def check_fields(sent: Any, expected: Kind, field: str = "properties") -> None:
    """Check that fields are of the kind they have to be; nulls and unknown fields always are.

    Args:
        sent: what a client sent.
        expected: what it has to be.
        field: how it is called, for people.

    Raises:
        ServiceError: 400.
    """
    if sent is None:
        return
    if isinstance(expected, type):
        _check_type(sent, expected, field)
        return
    _check_type(sent, dict, field)
    names = sent if isinstance(expected, Each) else expected
    for name in names:
        below = expected.kind if isinstance(expected, Each) else expected[name]
        check_fields(sent.get(name), below, f"{field}.{name}")


def _check_type(sent: Any, expected: type, field: str) -> None:
    if not isinstance(sent, expected) or (expected is int and isinstance(sent, bool)):
        raise invalid(f"The field {field} has to be {_CALLED[expected]}.")


def invalid(message: str, *codes: str) -> ServiceError:
    """Build the refusal of a request that cannot be right.

    Args:
        message: what is wrong.
        codes: further codes, from the general to the special.
    """
    return ServiceError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid", *codes))
