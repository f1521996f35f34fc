"""Where the run of one submission lives: what this machine knows, put before the choice."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.tracking.choice import (
    Choice,
    Mode,
    Situation,
    choose,
    is_workspace_store,
    store_name,
    uri_for_job,
)
from mlflow_azureml_backend.tracking.plugin_here import check_plugin_here
from mlflow_azureml_backend.tracking.server_access import (
    addresses,
    databricks_host,
    variables_needed,
)
from mlflow_azureml_backend.translate.experiment import LONGEST, fitting_experiment
from mlflow_azureml_backend.translate.shared_tracking import ServerRun, logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import JobSpec, WorkspaceRef

# Properties of the job by which the user's run is found from it.
RUN_ID = "mlflow_run_id"
TRACKING_URI = "mlflow_tracking_uri"


def choose_tracking(
    wanted: str,
    spec: JobSpec,
    *,
    tracking_uri: str,
    workspace: WorkspaceRef,
    owns_process: bool,
) -> tuple[Choice, JobSpec]:
    """Choose where the run lives and where its job logs; nothing is created.

    Args:
        wanted: The config's `tracking`.
        spec: The job.
        tracking_uri: MLflow's tracking URI.
        workspace: Where the job will run.
        owns_process: Whether this process is here for this run alone, as under `mlflow run`.

    Returns:
        The choice, and the job with notes on it and an experiment that the workspace takes.

    Raises:
        ConfigError: The wanted mode cannot work here.
        TrackingError: This machine cannot read the store that is chosen.
    """
    declared = {**dict.fromkeys(spec.environment_variables, False)}
    declared |= dict.fromkeys(spec.secret_variables, True)
    situation = Situation(
        tracking_uri=tracking_uri,
        workspace=workspace,
        needed=variables_needed(tracking_uri),
        declared=declared,
        has_children=spec.sweep is not None or spec.pipeline is not None,
        is_distributed=spec.distribution is not None,
        identity=(spec.identity or {}).get("type"),
    )
    choice = choose(wanted, situation, resolve=addresses)
    if is_workspace_store(tracking_uri, workspace):
        return choice, spec
    if choice.mode is Mode.WORKSPACE:
        _check_move(tracking_uri, owns_process=owns_process)
    experiment = fitting_experiment(spec.experiment_name)
    if experiment != spec.experiment_name:
        note = (
            f"the job's experiment is '{experiment}': Azure ML's names of experiments have "
            f"letters, digits, spaces, '.', '_' and '-', at most {LONGEST}"
        )
        spec = replace(spec, experiment_name=experiment, notes=(*spec.notes, note))
    return choice, spec


def _check_move(tracking_uri: str, *, owns_process: bool) -> None:
    """Make sure that this process can make the workspace its MLflow store."""
    if not owns_process:
        raise ConfigError(
            "Backend config: tracking: 'workspace' needs MLflow's tracking URI to be the "
            f"workspace's own, and it is {store_name(tracking_uri)}: MLflow looks for the run "
            "there. Call `mlflow.set_tracking_uri('azureml://…')` before, or leave `tracking` out."
        )
    check_plugin_here()


def tied_to_run(
    spec: JobSpec, choice: Choice, *, tracking_uri: str, run_id: str, experiment_id: str
) -> JobSpec:
    """Give the job as it goes: it names the user's run, and logs there if it shall.

    Args:
        spec: The job.
        choice: Where it logs.
        tracking_uri: MLflow's tracking URI.
        run_id: The run, which is open.
        experiment_id: Its experiment.
    """
    if choice.mode is Mode.WORKSPACE:
        return spec
    link = {RUN_ID: run_id}
    if tracking_uri.startswith(("http", "databricks", "azureml")):  # a file's path is nobody's
        link[TRACKING_URI] = store_name(tracking_uri)
    spec = replace(spec, properties=MappingProxyType({**link, **spec.properties}))
    if not choice.logs_to_server:
        return spec
    run = ServerRun(
        uri=uri_for_job(tracking_uri),
        run_id=run_id,
        experiment_id=str(experiment_id),
        databricks_host=databricks_host(tracking_uri),
    )
    return logging_to(spec, run)


def move_to_workspace(
    choice: Choice, *, tracking_uri: str, workspace: WorkspaceRef, own_uri: Callable[[], str]
) -> None:
    """Make the workspace this process's MLflow store, where the run shall live there alone.

    MLflow tags the run in the store of its tracking URI once it is submitted.

    Args:
        choice: Where the run lives.
        tracking_uri: MLflow's tracking URI.
        workspace: Where the job will run.
        own_uri: Gives the workspace's own tracking URI.
    """
    if choice.mode is Mode.WORKSPACE and not is_workspace_store(tracking_uri, workspace):
        import mlflow

        mlflow.set_tracking_uri(own_uri())
