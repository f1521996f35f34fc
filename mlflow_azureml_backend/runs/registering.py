"""Register the model of a run that was submitted before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from mlflow_azureml_backend.config.model_schema import RegisterModelConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.registration import register_model, registry_of
from mlflow_azureml_backend.runs.reference import find_run, workspace_store
from mlflow_azureml_backend.tracking.handle_tags import tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.model_spec import ModelSpec, ModelVersion


def register(
    reference: str,
    *,
    name: str,
    path: str = "model",
    tags: Mapping[str, str] | None = None,
    alias: str | None = None,
    registry: str | None = None,
    workspace: str | WorkspaceRef | None = None,
) -> ModelVersion:
    """Register the model of a run; where that was done before, give the version that it is.

    The version has the run, and as tags the job, the workspace and the git commit that it comes
    from. Files of the model that are in the workspace alone are brought to the run first.

    Args:
        reference: An MLflow run id, a job's name, or `latest`.
        name: The registered model; made when it is missing.
        path: The model's folder in the run's artifacts, or the name of a logged model (MLflow 3).
        tags: Tags of a new version.
        alias: Alias that is to point to the version.
        registry: `store`: the registry of the MLflow store; `workspace`. Default: the one of the
            store that the run is in.
        workspace: Where the job is; see `find_run`.

    Raises:
        ConfigError: The name, the path or the alias cannot be one.
        AzureMLBackendError: There is no such run or model, or the registry refused.
    """
    from mlflow_azureml_backend.workspace import connect

    spec = _spec(name=name, path=path, tags=tags or {}, alias=alias, registry=registry)
    found = find_run(reference, workspace=workspace)
    opened = connect(found.handle.workspace)
    # Where the workspace is the store, either word means it.
    named = spec.registry if workspace_store() is None else None
    chosen = registry_of(opened, found.handle, found.run_id, chosen=named)
    return register_model(chosen, spec, lineage=tags_of(found.handle))


def _spec(**given: object) -> ModelSpec:
    try:
        return RegisterModelConfig.model_validate(given).spec()
    except ValidationError as error:
        told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"The model cannot be registered so: {'; '.join(told)}.") from error
