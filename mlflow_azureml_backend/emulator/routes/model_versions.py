"""Versions that MLflow registers are model assets of the workspace too, as in Azure ML."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.routes.data import MODELS
from mlflow_azureml_backend.emulator.routes.tracking import mlflow
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Call, Route
from mlflow_azureml_backend.emulator.run_artifacts import artifact_folder_of_uri

if TYPE_CHECKING:
    from starlette.responses import Response

_CALL: Final = "api/2.0/mlflow/model-versions/create"


def create_version(call: Call) -> Response:
    """Let MLflow register a version, and list it among the model assets.

    What is not in the workspace's own storage has no place that an asset could name.
    """
    answer = mlflow(replace(call, params={**call.params, "rest": _CALL}))
    if answer.status_code == HTTPStatus.OK:
        state, key, name = call.emulation.state, call.workspace, call.json()["name"]
        for version, run_id, uri in call.emulation.tracking.model_places(key, name):
            if state.get(MODELS.kind, key.storage_key, name, version) is not None:
                continue
            with suppress(ValueError, ServiceError):
                blob = artifact_folder_of_uri(uri).blob("").rstrip("/")
                sent = {
                    "modelUri": f"azureml://datastores/workspaceartifactstore/paths/{blob}",
                    "modelType": "mlflow_model",
                    "jobName": run_id if state.get("job", key.storage_key, run_id) else None,
                }
                MODELS.put_version(state, key, name, version, sent)
    return answer


ROUTES: Final = (
    Route(
        service="api",
        method="POST",
        path=f"/mlflow/{{api}}{WORKSPACE}/{_CALL}",
        handle=create_version,
    ),
)
