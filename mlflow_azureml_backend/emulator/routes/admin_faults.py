"""Administration of faults: which are in force, and which are to be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.faults.parsing import (
    FaultError,
    parse_fault,
    parse_faults,
    workspace_id,
)
from mlflow_azureml_backend.emulator.routes.admin import closed
from mlflow_azureml_backend.emulator.routing import Call, json_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.faults.plan import ActiveFault

_PATH: Final = "/_emulator/faults"


def list_faults(call: Call) -> Response:
    """List the faults in force, all or those of one workspace."""
    return _listed(call.emulation.faults.in_force(_workspace(call)))


def add_faults(call: Call) -> Response:
    """Put one fault, or the faults of a plan, into force behind the ones that are there."""
    document = _document(call)
    try:
        is_plan = isinstance(document, dict) and "faults" in document
        faults = parse_faults(document) if is_plan else (parse_fault(document),)
    except FaultError as error:
        raise _refused(error) from None
    return _listed(call.emulation.faults.add(faults), 201)


def replace_faults(call: Call) -> Response:
    """Put the faults of a plan into force instead of all that are there."""
    try:
        faults = parse_faults(_document(call))
    except FaultError as error:
        raise _refused(error) from None
    return _listed(call.emulation.faults.replace(faults))


def clear_faults(call: Call) -> Response:
    """Take all faults out of force, or those of one workspace."""
    return json_response({"removed": call.emulation.faults.clear(_workspace(call))})


def remove_fault(call: Call) -> Response:
    """Take one fault out of force."""
    number = call.params["number"]
    if not number.isdecimal() or not call.emulation.faults.remove(int(number)):
        raise ServiceError(
            404, "NotFound", f"No fault in force has the number '{number}'.", arm=True
        )
    return json_response({"removed": 1})


def _listed(faults: Iterable[ActiveFault], status: int = 200) -> Response:
    return json_response({"faults": [each.as_json() for each in faults]}, status)


def _document(call: Call) -> Any:
    try:
        return json.loads(call.body)
    except ValueError as error:
        raise _refused(f"the body is not valid JSON: {error}.") from None


def _workspace(call: Call) -> str:
    named = call.query.get("workspace", "")
    try:
        return workspace_id(named) if named else ""
    except FaultError as error:
        raise _refused(error) from None


def _refused(reason: object) -> ServiceError:
    return ServiceError(400, "BadRequest", str(reason), arm=True)


ROUTES: Final = (
    closed("GET", _PATH, list_faults),
    closed("POST", _PATH, add_faults),
    closed("PUT", _PATH, replace_faults),
    closed("DELETE", _PATH, clear_faults),
    closed("DELETE", f"{_PATH}/{{number}}", remove_fault),
)
