"""Components: parts of pipelines, of which a workspace of the emulator has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.routes.management import managed, page

if TYPE_CHECKING:
    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.routing import Call


def _list(call: Call) -> Response:
    """List none: who looks for a component before making one is told so, as by the service."""
    _ = call.workspace
    return page(call, (), lambda _: {})


def _get(call: Call) -> Response:
    _ = call.workspace
    version = call.params.get("version")
    named = (
        call.params["name"] if version is None else f"{call.params['name']} (version: {version})"
    )
    raise ServiceError(
        404, "UserError", f"Not found component {named}.", inner=("NotFound", "ComponentNotFound")
    )


ROUTES: Final = (
    *managed("GET", "/components", _list),
    *managed("GET", "/components/{name}", _get),
    *managed("GET", "/components/{name}/versions", _list),
    *managed("GET", "/components/{name}/versions/{version}", _get),
)
