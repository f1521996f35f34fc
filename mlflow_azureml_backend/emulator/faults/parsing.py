"""Faults as their users write them: checked, with one clear message for each mistake."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.faults.fault import EFFECTS, Fault
from mlflow_azureml_backend.emulator.hosts import SERVICES
from mlflow_azureml_backend.emulator.resources import WorkspaceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SCOPE: Final = ("route", "service", "workspace", "client", "skip", "count", "probability", "seed")
_OPTIONS: Final = frozenset(name for kind in EFFECTS.values() for name in kind.options)
_SERVICES: Final = tuple(sorted(set(SERVICES.values())))
_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "*")
_ARM_ID: Final = re.compile(
    r"/?subscriptions/([^/]+)/resourceGroups/([^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)/?",
    re.IGNORECASE,
)
_STATUSES: Final = range(400, 600)
_NAMES_OF_A_WORKSPACE: Final = 3


class FaultError(ValueError):
    """Refuse a fault; the message says what is wrong, where, and what is allowed."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 (NaN)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < float("inf")


def _is_true(value: Any) -> bool:
    return value is True


# By the words with which EFFECTS describes a value, so that check and message cannot part.
_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "an HTTP status from 400 to 599": lambda value: _is_whole(value) and value in _STATUSES,
        '"before" or "after"': lambda value: value in ("before", "after"),
        '"duplicate" or "out_of_order"': lambda value: value in ("duplicate", "out_of_order"),
        "true": _is_true,
        "true or false": lambda value: isinstance(value, bool),
        "a number of seconds, 0 or more": _is_time,
        "a number of seconds, also a negative one": lambda value: (
            _is_number(value) and abs(value) < float("inf")
        ),
        "true or a number of seconds, 0 or more": lambda value: _is_true(value) or _is_time(value),
        "a whole number, 1 or more": lambda value: _is_whole(value) and value >= 1,
        "a whole number of bytes, 1 or more": lambda value: _is_whole(value) and value >= 1,
        "a whole number of bytes, 0 or more": lambda value: _is_whole(value) and value >= 0,
        "true or a whole number of bytes, 0 or more": lambda value: (
            _is_true(value) or (_is_whole(value) and value >= 0)
        ),
    }
)


def read_fault_file(path: Path) -> tuple[Fault, ...]:
    """Read a file of faults: YAML or JSON, `{"faults": [ … ]}`.

    Raises:
        FaultError: it cannot be read, or one of its faults is not valid.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FaultError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    try:
        return parse_faults(document)
    except FaultError as error:
        raise FaultError(f"{path}: {error}") from None


def parse_faults(document: Any) -> tuple[Fault, ...]:
    """Read a plan: an object with the one key `faults`, a list.

    Raises:
        FaultError: it is something else, or one of its faults is not valid.
    """
    if not isinstance(document, dict) or set(document) != {"faults"}:
        raise FaultError('a plan of faults is an object with one key: {"faults": [ … ]}.')
    faults = document["faults"]
    if not isinstance(faults, list):
        raise FaultError('"faults" has to be a list of faults.')
    return tuple(parse_fault(each, f"faults[{index}]") for index, each in enumerate(faults))


def parse_fault(document: Any, where: str = "fault") -> Fault:
    """Read one fault.

    Args:
        document: its JSON form, for example `{"route": "GET */details", "status": 429}`.
        where: names it in messages.

    Raises:
        FaultError: it is not valid.
    """
    if not isinstance(document, dict):
        raise FaultError(f'{where}: a fault is an object, for example {{"status": 503}}.')
    for name in document:
        if name not in EFFECTS and name not in _OPTIONS and name not in _SCOPE:
            raise FaultError(f"{where}: there is no key '{name}'.{_nearest(str(name))}")
    effects = [name for name in document if name in EFFECTS]
    if len(effects) != 1:
        found = f"it has {' and '.join(effects)}" if effects else "it has none"
        raise FaultError(
            f"{where}: a fault has exactly one effect, and {found}. "
            f"The effects are: {', '.join(EFFECTS)}."
        )
    [effect] = effects
    kind, value = EFFECTS[effect], document[effect]
    _require(where, effect, value, kind.form)
    options = {name: document[name] for name in document if name in _OPTIONS}
    for name, given in options.items():
        if name not in kind.options:
            allowed = f" It takes: {', '.join(kind.options)}." if kind.options else ""
            raise FaultError(f"{where}: '{name}' does not belong to '{effect}'.{allowed}")
        _require(where, name, given, kind.options[name])
    return Fault(
        effect=effect,
        value=value,
        options=MappingProxyType(options),
        route=_route(where, document.get("route", "")),
        service=_service(where, document.get("service", "")),
        workspace=_workspace(where, document.get("workspace", "")),
        client=_text(where, "client", document.get("client", "")),
        skip=_whole(where, "skip", document.get("skip", 0), 0) or 0,
        count=_whole(where, "count", document.get("count"), 1),
        probability=_probability(where, document.get("probability", 1.0)),
        seed=_seed(where, document.get("seed")),
    )


def workspace_id(named: str) -> str:
    """Give the ARM id, in lower case, of a workspace that is named by it or by three names.

    Args:
        named: an ARM id, or `SUBSCRIPTION/GROUP/WORKSPACE`.

    Raises:
        FaultError: it is neither.
    """
    found = _ARM_ID.fullmatch(named)
    names: Sequence[str] = found.groups() if found else named.split("/")
    if len(names) != _NAMES_OF_A_WORKSPACE or not all(names):
        raise FaultError(
            f"a workspace is named by its ARM id or as SUBSCRIPTION/GROUP/WORKSPACE, not '{named}'."
        )
    key = WorkspaceKey(subscription_id=names[0], resource_group=names[1], name=names[2])
    return key.storage_key


def _nearest(name: str) -> str:
    found = get_close_matches(name, [*EFFECTS, *sorted(_OPTIONS), *_SCOPE], n=1)
    if found:
        return f" Did you mean '{found[0]}'?"
    return f" A fault takes: {', '.join([*EFFECTS, *sorted(_OPTIONS), *_SCOPE])}."


def _require(where: str, name: str, value: Any, form: str) -> None:
    if not _CHECKS[form](value):
        raise FaultError(
            f"{where}: '{name}' has to be {form}, not {json.dumps(value, default=str)}."
        )


def _text(where: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FaultError(
            f"{where}: '{name}' has to be a text, not {json.dumps(value, default=str)}."
        )
    return value


def _route(where: str, value: Any) -> str:
    words = _text(where, "route", value).split()
    example = "for example 'GET */details' or 'PUT management.azure.com/*/jobs/{job}'"
    if len(words) > 2:  # noqa: PLR2004
        raise FaultError(f"{where}: 'route' is 'METHOD host/path', {example}, not '{value}'.")
    if len(words) == 2 and words[0].upper() not in _METHODS:  # noqa: PLR2004
        raise FaultError(
            f"{where}: 'route' begins with a method ({', '.join(_METHODS)}), not '{words[0]}'; "
            f"{example}."
        )
    if len(words) == 1 and words[0].upper() in _METHODS[:-1]:
        return f"{words[0].upper()} *"
    return " ".join([words[0].upper(), words[1]] if len(words) == 2 else words)  # noqa: PLR2004


def _service(where: str, value: Any) -> str:
    if value and value not in _SERVICES:
        raise FaultError(
            f"{where}: 'service' is one of {', '.join(_SERVICES)}, not "
            f"{json.dumps(value, default=str)}."
        )
    return str(value)


def _workspace(where: str, value: Any) -> str:
    text = _text(where, "workspace", value)
    try:
        return workspace_id(text) if text else ""
    except FaultError as error:
        raise FaultError(f"{where}: {error}") from None


def _whole(where: str, name: str, value: Any, least: int) -> int | None:
    if value is None and name == "count":
        return None
    if not _is_whole(value) or value < least:
        raise FaultError(
            f"{where}: '{name}' has to be a whole number, {least} or more, not "
            f"{json.dumps(value, default=str)}."
        )
    return int(value)


def _probability(where: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise FaultError(
            f"{where}: 'probability' has to be a number from 0 to 1, not "
            f"{json.dumps(value, default=str)}."
        )
    return float(value)


def _seed(where: str, value: Any) -> int | None:
    if value is not None and not _is_whole(value):
        raise FaultError(
            f"{where}: 'seed' has to be a whole number, not {json.dumps(value, default=str)}."
        )
    return None if value is None else int(value)
