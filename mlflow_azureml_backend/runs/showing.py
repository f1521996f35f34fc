"""Describe a run: all that the workspace and the store know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import AzureMLBackendError
from mlflow_azureml_backend.registration import registry_of
from mlflow_azureml_backend.runs.description import RunDescription
from mlflow_azureml_backend.runs.reference import find_run
from mlflow_azureml_backend.runs.verbs import service_of

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.model_spec import ModelVersion


def show(reference: str, *, workspace: str | WorkspaceRef | None = None) -> RunDescription:
    """Describe a run: status, times, params, metrics, artifacts with sizes, models, links.

    Args:
        reference: An MLflow run id, a job's name, or `latest`.
        workspace: Where the job is; see `find_run`.

    Raises:
        AzureMLBackendError: There is no such run, or the service refused.
    """
    from mlflow_azureml_backend.tracking.run_data import run_data
    from mlflow_azureml_backend.workspace import connect

    found = find_run(reference, workspace=workspace)
    ref = found.handle.workspace
    opened = connect(ref)
    facts = service_of(found.handle).facts(found.job_name)
    stored = run_data(found.run_id) if found.run_id else None
    models: list[ModelVersion] = []
    notes = []
    for registry in ("store", "workspace") if found.run_id else ("workspace",):
        try:
            chosen = registry_of(opened, found.handle, found.run_id, chosen=registry)
            models += chosen.versions()
        except AzureMLBackendError as error:
            # A store without a registry is no reason to show nothing.
            notes.append(f"The models in the registry of the {registry} are not known: {error}")
    return RunDescription(
        run_id=found.run_id or found.job_name,
        workspace=ref,
        facts=facts,
        # The entry point's parameters are logged to the user's run, whatever the job logs.
        params={**(stored.params if stored else {}), **facts.summary.params},
        curves=opened.metric_curves(found.job_name, facts.summary.metrics),
        models=tuple(models),
        link=stored.link if stored else None,
        notes=tuple(notes),
    )
