"""The JSON Schema of the backend config, as editors take it."""

from __future__ import annotations

from typing import Any

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.config.schema import BackendConfig

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def backend_config_schema() -> dict[str, Any]:
    """Give the schema of the JSON document that `--backend-config` takes."""
    return {
        "$schema": _DIALECT,
        "$id": f"urn:mlflow-azureml-backend:{__version__}:backend-config",
        "title": "Backend config of mlflow-azureml-backend",
        **{k: v for k, v in BackendConfig.model_json_schema().items() if k != "title"},
    }
