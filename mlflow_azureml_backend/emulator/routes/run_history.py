"""Run history: how a job went, where its logs are, and what a running job may ask for itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import Kind, check_fields, invalid
from mlflow_azureml_backend.emulator.job_creation import children
from mlflow_azureml_backend.emulator.resources import timestamp
from mlflow_azureml_backend.emulator.routes.datastores import ARTIFACT_CONTAINER
from mlflow_azureml_backend.emulator.routes.jobs import describe_job
from mlflow_azureml_backend.emulator.routes.resolved_uris import ROUTES as _RESOLVED_URIS
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Route, json_response
from mlflow_azureml_backend.emulator.run_document import (
    error_envelope,
    run_details,
    run_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import Document

_LOG_LIFETIME: Final = timedelta(hours=8)
_DESCRIPTION: Final[Kind] = {
    "displayName": str,
    "description": str,
    "tags": dict,
    "properties": dict,
    "hidden": bool,
}
_TOKEN_LIFETIME: Final = timedelta(hours=24)
_TOKEN_AUDIENCE: Final = "https://ml.azure.com"  # noqa: S105 (names a service, is no secret)


class RunNotFoundError(ServiceError):
    """Answer 404 for a run, in the envelope of the services behind the regional host.

    Args:
        run_id: the run.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(404, "UserError", f"Run {run_id} was not found.", inner=("NotFoundError",))

    def response(self, region: str = "eastus") -> Response:
        """Build the answer."""
        error = {
            "code": self.code,
            "message": self.message,
            "innerError": {"code": "NotFoundError", "innerError": None},
        }
        now = timestamp(datetime.now(timezone.utc))
        body = error_envelope(error, region=region, time=now, component="run-history")
        return json_response(body, self.status, {"x-ms-response-type": "error"})


def _details(call: Call) -> Response:
    key, run_id = call.workspace, call.params["run"]
    job, run = _found(call, key, run_id)
    emulation = call.emulation
    logs = {
        path: emulation.blobs.sas_url(
            key.storage_account,
            ARTIFACT_CONTAINER,
            f"ExperimentRun/dcid.{run_id}/{path}",
            permissions="r",
            lifetime=_LOG_LIFETIME,
        )
        for path in run.get("logFiles") or ()
    }
    return json_response(
        run_details(
            key,
            job,
            run,
            tenant=emulation.identity.tenant_id,
            region=emulation.settings.region,
            log_files=logs,
        )
    )


def _get(call: Call) -> Response:
    return json_response(_metadata(call, call.params["run"]))


def _run_data(call: Call) -> Response:
    """Answer a run's metadata; its definition is what ran, and clients do not read it."""
    run_id = call.json().get("runId")
    if not isinstance(run_id, str):
        raise invalid("The RunId field is required.")
    return json_response(
        {
            "runMetadata": _metadata(call, run_id),
            "runDefinition": None,
            "jobSpecification": None,
            "systemSettings": None,
        }
    )


def _children(call: Call) -> Response:
    """List the child runs of a job: a sweep's trials, a pipeline's steps; of others none."""
    key, run_id = call.workspace, call.params["run"]
    _found(call, key, run_id)
    names = children(call.emulation.state, key, run_id)
    return json_response({"value": [_metadata(call, name) for name in names]})


def _describe(call: Call) -> Response:
    """Change the name, description, tags, properties or the archived state of a job's run.

    Tags and properties are merged, as the service does here and not for a job that is put again.
    """
    key, run_id, sent = call.workspace, call.params["run"], call.json()
    check_fields(sent, _DESCRIPTION, "run")
    job, _ = _found(call, key, run_id)
    change: dict[str, Any] = {
        field: sent[field]
        for field in ("displayName", "description", "properties")
        if sent.get(field) is not None
    }
    if sent.get("tags"):
        change["tags"] = {**job.body["tags"], **sent["tags"]}
    if sent.get("hidden") is not None:
        change["isArchived"] = bool(sent["hidden"])
    describe_job(call, key, run_id, change)
    return _get(call)


def _delete_tags(call: Call) -> Response:
    """Remove tags from a job; the body is the list of their names."""
    key, run_id = call.workspace, call.params["run"]
    job, _ = _found(call, key, run_id)
    try:
        names = json.loads(call.body)
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise invalid("The request body has to be a JSON array of tag names.")
    kept = {name: value for name, value in job.body["tags"].items() if name not in names}
    describe_job(call, key, run_id, {"tags": kept})
    return _get(call)


def _service_instances(call: Call) -> Response:
    """Name the interactive services of a job's node: the emulator starts none."""
    _found(call, call.workspace, call.params["run"])
    return json_response({"instances": {}})


def _token(call: Call) -> Response:
    """Give a running job a new token for itself, before the one it has ends."""
    key, run_id = call.workspace, call.params["run"]
    if call.emulation.state.get("job", key.storage_key, run_id) is None:
        try:
            call.emulation.tracking.summary(key, run_id)
        except KeyError:
            raise RunNotFoundError(run_id) from None
    identity = call.emulation.identity
    token = identity.token(
        subject=identity.client_id,
        audience=_TOKEN_AUDIENCE,
        lifetime=_TOKEN_LIFETIME,
        claims={"runId": run_id},
    )
    expiry = datetime.now(timezone.utc) + _TOKEN_LIFETIME
    return json_response({"token": token, "expiryTimeUtc": timestamp(expiry)})


def _metadata(call: Call, run_id: str) -> dict[str, Any]:
    key = call.workspace
    job, run = _found(call, key, run_id)
    emulation = call.emulation
    return run_metadata(
        key,
        job,
        run,
        tenant=emulation.identity.tenant_id,
        region=emulation.settings.region,
    )


def _found(call: Call, key: WorkspaceKey, run_id: str) -> tuple[Document, dict[str, Any]]:
    state = call.emulation.state
    job = state.get("job", key.storage_key, run_id)
    if job is None:
        raise RunNotFoundError(run_id)
    run = state.get("run", key.storage_key, run_id)
    return job, {} if run is None else run.body


def _run_routes(method: str, path: str, handle: Callable[[Call], Response]) -> tuple[Route, ...]:
    """Bind a function to the three paths a run has: alone, and by either key of its experiment."""
    return tuple(
        Route(
            service="api",
            method=method,
            path=f"/history/v1.0{WORKSPACE}{experiment}/runs/{{run}}{path}",
            handle=handle,
        )
        for experiment in ("", "/experiments/{experiment}", "/experimentids/{experiment}")
    )


ROUTES: Final = (
    *_run_routes("GET", "", _get),
    *_run_routes("PATCH", "", _describe),
    *_run_routes("GET", "/details", _details),
    *_run_routes("GET", "/children", _children),
    *_run_routes("GET", "/token", _token),
    *_run_routes("DELETE", "/tags", _delete_tags),
    *_run_routes("GET", "/serviceinstances/{node}", _service_instances),
    Route(service="api", method="POST", path=f"/history/v1.0{WORKSPACE}/rundata", handle=_run_data),
    *_RESOLVED_URIS,
)
