"""What azureml-mlflow asks for tracking: MLflow's REST API, below the path of a workspace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.cloud_metadata import AZURE_CLOUD
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Call, Route, json_response

_SERVER: Final = f"/mlflow/{{api}}{WORKSPACE}"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def mlflow(call: Call) -> Response:
    """Answer as the MLflow server does, for the experiments of one workspace.

    `v1.0` and `v2.0` are one API here: the prefix tells the client's generation, and the rest of
    the path (`/api/2.0/mlflow/…`) says what it asks. What MLflow has no endpoint for gets an empty
    404, as clients newer than the service know it.
    """
    path = f"/{call.params['rest']}"
    answer = call.emulation.tracking.answer(call.workspace, call, path=path)
    if answer.status_code == HTTPStatus.NOT_FOUND and "html" in answer.headers["content-type"]:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    return answer


def log_batch_async(call: Call) -> Response:
    """Log metrics, parameters and tags at once, where Azure ML would queue them.

    azureml-mlflow sends this for `synchronous=False`; an empty tracking id says that there is
    nothing to wait for.
    """
    answer = call.emulation.tracking.answer(
        call.workspace, call, path="/api/2.0/mlflow/runs/log-batch"
    )
    if answer.status_code != HTTPStatus.OK:
        return answer
    return json_response({"batch_tracking_id": ""})


def run_data_status(call: Call) -> Response:
    """Say that a batch is logged: all of them are, from the start."""
    _ = call.workspace
    return json_response({"is_complete": True})


def clouds(call: Call) -> Response:
    """Say which clouds there are: azureml-mlflow asks before it reads or writes artifacts.

    Resource Manager tells it to everybody. Without it the plugin warns the user at every file.
    """
    del call
    return json_response([dict(AZURE_CLOUD)])


ROUTES: Final = (
    Route(service="arm", method="GET", path="/metadata/endpoints", handle=clouds, open=True),
    Route(
        service="api",
        method="POST",
        path=f"{_SERVER}/api/2.0/preview/mlflow/runs/log-batch-async",
        handle=log_batch_async,
    ),
    Route(
        service="api",
        method="GET",
        path=f"{_SERVER}/api/2.0/preview/mlflow/runs/get-run-data-status",
        handle=run_data_status,
    ),
    *(
        Route(service="api", method=method, path=f"{_SERVER}/{{rest:path}}", handle=mlflow)
        for method in _METHODS
    ),
)
