"""Components: parts of pipelines, registered under a name or by a client for one pipeline alone."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.assets import AssetKind
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import (
    DESCRIBED,
    Each,
    Kind,
    check_fields,
    invalid,
)
from mlflow_azureml_backend.emulator.routes.assets import asset_routes
from mlflow_azureml_backend.emulator.routes.management import managed, sent_properties, stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call

_ANONYMOUS: Final = uuid.UUID("b61cf6f2-0d52-53c1-9a47-3a1f2a6f0d0b")
_FIELDS: Final[Kind] = {
    **DESCRIBED,
    "isAnonymous": bool,
    "componentSpec": {
        "type": str,
        "command": str,
        "code": str,
        "environment": str,
        "environment_variables": dict,
        "inputs": Each(dict),
        "outputs": Each(dict),
        "resources": dict,
        "distribution": dict,
        "limits": dict,
    },
}
_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
    "componentSpec": {},
}


def component_not_found(name: str, version: str = "") -> ServiceError:
    """Build the 404 for a component, or for one version of it."""
    named = f"{name} (version: {version})" if version else name
    return ServiceError(
        404, "UserError", f"Not found component {named}.", inner=("NotFound", "ComponentNotFound")
    )


def _accept(key: WorkspaceKey, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Take a component as the service does: every value of its specification becomes a text.

    Raises:
        ServiceError: 400 for a component without a type, and for a command without what it needs.
    """
    del key
    spec = sent["componentSpec"]
    if not spec.get("type"):
        raise invalid("The componentSpec has to name its type.", "InvalidComponent")
    if spec["type"] == "command":
        for field in ("command", "environment"):
            if not spec.get(field):
                raise invalid(f"The {field} of a command component is required.")
        spec = {**spec, "resources": {"instance_count": 1, **(spec.get("resources") or {})}}
    kept = {name: value for name, value in spec.items() if name != "_source"}
    # An anonymous one is described by its specification alone.
    own = {"description": None} if sent.get("isAnonymous") else {}
    return {**sent, **own, "componentSpec": _as_texts(kept)}


def _as_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_texts(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_as_texts(below) for below in value]
    return value if value is None else str(value)


def _changed(name: str, version: str) -> ServiceError:
    del version
    return invalid(
        f'Failed to update component {name} since field "componentSpec" is immutable, try '
        "specifying a new version.",
        "UpdateComponentFailed",
    )


COMPONENTS: Final = AssetKind(
    kind="component",
    segment="components",
    fields=_FIELDS,
    shape=_SHAPE,
    accept=_accept,
    missing_version=component_not_found,
    missing_container=component_not_found,
    fixed=("componentSpec",),
    changed=_changed,
    lists_unknown=True,
)
"""How components are stored and found."""


def _put_version(call: Call) -> Response:
    """Store a component; of an anonymous one the service chooses the version, by its content."""
    sent, version = sent_properties(call), call.params["version"]
    check_fields(sent, _FIELDS)
    if not sent.get("componentSpec"):
        raise invalid("The ComponentSpec field is required.")
    if sent.get("isAnonymous"):
        content = json.dumps(sent, sort_keys=True)
        version = str(uuid.uuid5(_ANONYMOUS, f"{call.workspace.storage_key}/{content}"))
    name, spec = call.params["name"], sent["componentSpec"]
    spec = {"name": name, "version": version, **spec}
    document, created = COMPONENTS.put_version(
        call.emulation.state, call.workspace, name, version, {**sent, "componentSpec": spec}
    )
    return stored(call, COMPONENTS.rendered(call.workspace, document), created=created)


ROUTES: Final = (
    *managed("PUT", "/components/{name}/versions/{version}", _put_version),
    *asset_routes(COMPONENTS),
)
