"""The routes that environments, data and models have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.emulator.assets import is_listed
from mlflow_azureml_backend.emulator.field_checks import DESCRIBED, check_fields, invalid
from mlflow_azureml_backend.emulator.resources import as_texts
from mlflow_azureml_backend.emulator.routes.management import (
    managed,
    page,
    sent_properties,
    stored,
)
from mlflow_azureml_backend.emulator.routing import json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.assets import AssetKind
    from mlflow_azureml_backend.emulator.routing import Call, Route
    from mlflow_azureml_backend.emulator.state import Document


def asset_routes(kind: AssetKind) -> tuple[Route, ...]:
    """Give the routes of a kind of versioned asset: its containers and their versions."""
    return (
        *managed("GET", f"/{kind.segment}", partial(_list_containers, kind)),
        *managed("GET", f"/{kind.segment}/{{name}}", partial(_get_container, kind)),
        *managed("PUT", f"/{kind.segment}/{{name}}", partial(_put_container, kind)),
        *managed("GET", f"/{kind.segment}/{{name}}/versions", partial(_list_versions, kind)),
        *version_routes(kind),
    )


def version_routes(kind: AssetKind) -> tuple[Route, ...]:
    """Give the routes of one version alone, for a kind that lists in its own way."""
    path = f"/{kind.segment}/{{name}}/versions/{{version}}"
    return (
        *managed("GET", path, partial(_get_version, kind)),
        *managed("PUT", path, partial(_put_version, kind)),
    )


def _list_containers(kind: AssetKind, call: Call) -> Response:
    key, state = call.workspace, call.emulation.state
    view = call.query.get("listViewType")
    newest: dict[str, Document] = {}
    for document in (
        *state.list(kind.kind, key.storage_key),
        *state.list(kind.container_kind, key.storage_key),
    ):
        newest.setdefault(document.name, document)
    containers = {name: kind.container(state, key, name) for name in newest}
    listed = [
        newest[name]
        for name, container in containers.items()
        if is_listed(container["properties"], view)
    ]
    return page(call, listed, lambda document: containers[document.name])


def _get_container(kind: AssetKind, call: Call) -> Response:
    key = call.workspace
    return json_response(kind.container(call.emulation.state, key, call.params["name"]))


def _put_container(kind: AssetKind, call: Call) -> Response:
    key, name, sent = call.workspace, call.params["name"], sent_properties(call)
    check_fields(sent, DESCRIBED)
    kept: dict[str, Any] = {field: sent[field] for field in DESCRIBED if field in sent}
    for field in ("tags", "properties"):
        if kept.get(field) is not None:
            kept[field] = as_texts(kept[field])
    for field in kind.inherited:
        check_fields(sent, {field: str})
        if not sent.get(field):
            raise invalid(f"The {field[0].upper()}{field[1:]} field is required.")
        kept[field] = sent[field]
    state = call.emulation.state
    created = state.put(kind.container_kind, key.storage_key, name, "", kept)
    is_new = created and not state.list(kind.kind, key.storage_key, name)
    return stored(call, kind.container(state, key, name), created=is_new)


def _list_versions(kind: AssetKind, call: Call) -> Response:
    key, name = call.workspace, call.params["name"]
    versions = call.emulation.state.list(kind.kind, key.storage_key, name)
    if not versions and not kind.lists_unknown:
        raise kind.missing_container(name)
    view = call.query.get("listViewType")
    listed = [document for document in versions if is_listed(document.body, view)]
    return page(call, listed, partial(kind.rendered, key))


def _get_version(kind: AssetKind, call: Call) -> Response:
    key = call.workspace
    document = kind.version(call.emulation.state, key, call.params["name"], call.params["version"])
    return json_response(kind.rendered(key, document))


def _put_version(kind: AssetKind, call: Call) -> Response:
    key = call.workspace
    document, created = kind.put_version(
        call.emulation.state,
        key,
        call.params["name"],
        call.params["version"],
        sent_properties(call),
    )
    return stored(call, kind.rendered(key, document), created=created or kind.always_created)
