"""Operations on jobs that last: whoever began one asks for its result until it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.routes.management import LOCATION, own_url, regional_url
from mlflow_azureml_backend.emulator.routing import Route, json_response

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call

_KIND: Final = "operation"


def begin_job_operation(call: Call, key: WorkspaceKey, prefix: str, job: str) -> dict[str, str]:
    """Begin an operation on a job, and give the headers that say where its result will be.

    `Retry-After` is declared in the service's specification, with ten seconds at least; a job of
    the emulator does not take that long.

    Args:
        call: the request.
        key: the workspace.
        prefix: what is done: `jc` cancels and `jd` deletes.
        job: the job.
    """
    operation = f"{prefix}:{key.guid}:{job}"
    body = {"workspace": key.storage_key, "job": job}
    call.emulation.state.put(_KIND, _scope(call), operation, "", body)
    return {
        "Location": regional_url(call, f"mfeOperationResults/{operation}"),
        "Retry-After": "1",
        "x-ms-async-operation-timeout": "PT1H",
    }


def _result(call: Call) -> Response:
    """Answer 202 while the job goes on, and 200 with no body once it has ended or is gone."""
    state, operation = call.emulation.state, call.params["operation"]
    found = state.get(_KIND, _scope(call), operation)
    if found is None:
        raise ServiceError(
            404, "UserError", f"Operation {operation} not found.", inner=("NotFoundError",)
        )
    job = state.get("job", found.body["workspace"], found.body["job"])
    if job is None or JobStatus(job.body["status"]).is_terminal:
        return Response(status_code=200)
    return json_response({}, 202, {"Location": own_url(call), "Retry-After": "1"})


def _scope(call: Call) -> str:
    return f"/subscriptions/{call.params['subscription']}".lower()


ROUTES: Final = tuple(
    Route(
        service=service,
        method="GET",
        path=f"{LOCATION}/mfeOperationResults/{{operation}}",
        handle=_result,
    )
    for service in ("arm", "api")
)
