"""The MLflow project backend: one submission, from top to bottom."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from typing import TYPE_CHECKING, Any

import click
import mlflow
from mlflow.projects.backend.abstract_backend import AbstractBackend

from mlflow_azureml_backend.config import locate_workspace, read_backend_config
from mlflow_azureml_backend.errors import JobFailedError, WorkspaceError
from mlflow_azureml_backend.project.config_files import read_config_files
from mlflow_azureml_backend.project.loader import read_project
from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun, display_for
from mlflow_azureml_backend.tracking import SweepSession, experiment_name, open_run
from mlflow_azureml_backend.translate import ClientVersions, translate
from mlflow_azureml_backend.translate.command import resolve_parameters
from mlflow_azureml_backend.translate.sweep import without_swept
from mlflow_azureml_backend.workspace import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.job import JobHandle, JobSpec
    from mlflow_azureml_backend.project import ProjectSpec
    from mlflow_azureml_backend.workspace import Workspace

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxyz0123456789"
_LONGEST_STEM = 40


class AzureMLProjectBackend(AbstractBackend):
    """Run MLflow Projects on Azure Machine Learning."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> AzureMLSubmittedRun:
        """Submit one run; under `mlflow run`, also follow it to its end.

        Everything that can be wrong is found before anything is created. MLflow's command line
        never waits for a plugin, so the waiting is done here when it is the command line that
        called; from Python, `synchronous` decides, and MLflow calls `wait`.

        Args:
            project_uri: Folder, zip file or git URI.
            entry_point: Entry point or script.
            params: The user's parameter values.
            version: Git version, or None.
            backend_config: The user's config and what MLflow adds to it.
            tracking_uri: MLflow's tracking URI.
            experiment_id: The experiment that MLflow chose.

        Raises:
            AzureMLBackendError: Something is wrong with the request, or the service refused it.
            JobFailedError: Under `mlflow run`, the job did not complete.
        """
        invocation = _cli_invocation()
        config, options = read_backend_config(backend_config)
        project = read_project(
            project_uri,
            version=version,
            entry_point=entry_point,
            parameters=params,
            build_image=options.build_image,
            chosen_later=config.sweep.search_space if config.sweep else (),
        )
        config = read_config_files(config, project.root)
        ref = locate_workspace(
            config.workspace,
            tracking_uri=tracking_uri,
            environ=os.environ,
            project_root=project.root,
        )
        spec = translate(
            project,
            config,
            experiment_name=experiment_name(experiment_id),
            run_name=invocation.get("run_name"),
            versions=_client_versions(),
            use_project_environment=options.env_manager != "local",
            docker_args=options.docker_args,
        )
        swept = spec.sweep.parameters.values() if spec.sweep else ()
        fixed = without_swept(project.entry_point, swept)
        declared, extra = resolve_parameters(fixed, project.parameters)

        workspace = connect(ref)
        if spec.compute is not None:
            workspace.check_compute(spec.compute)
        job_name = new_job_name(project.name or project.root.name)
        session = open_run(
            project,
            job_name=job_name,
            job_run=workspace.tracked_run(job_name),
            workspace=ref,
            tracking_uri=tracking_uri,
            experiment_id=experiment_id,
            backend_name=invocation.get("backend") or "azureml",
            run_name=invocation.get("run_name"),
            parameters={**declared, **extra},
        )
        display = display_for(stream=config.stream or bool(invocation))
        if spec.sweep is not None:
            session = SweepSession(session, workspace, job_name, tell=display.note)
        _announce(display, project, spec, workspace)
        try:
            handle = workspace.submit(spec, name=job_name)
            session.submitted(handle)
        except BaseException as error:
            # Whoever sees an error, or pressed Ctrl-C, must not pay for a job: by its name it can
            # be cancelled even if the answer to its submission never came.
            with contextlib.suppress(WorkspaceError):
                workspace.cancel(job_name)
            session.failed_to_submit(str(error) or type(error).__name__)
            raise
        _announce_job(display, handle, session.run_id)
        run = AzureMLSubmittedRun(
            workspace, handle, session, display=display, queue_timeout=config.queue_timeout
        )
        if not invocation:
            return run
        if not config.stream:
            display.note(f"Follow it with: mlflow-azureml logs -f {run.run_id}")
            return run
        return _followed(run)


def new_job_name(stem: str) -> str:
    """Choose a job name: readable, and unique so that a retried submit is the same job.

    Args:
        stem: The project's name.
    """
    readable = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")[:_LONGEST_STEM] or "run"
    return f"{readable}_{''.join(secrets.choice(_NAME_ALPHABET) for _ in range(10))}"


def _followed(run: AzureMLSubmittedRun) -> AzureMLSubmittedRun:
    try:
        completed = run.wait()
    except KeyboardInterrupt:
        run.cancel()
        raise
    if not completed:
        outcome = run.outcome
        status = outcome.status.value if outcome else "unknown"
        reason = f": {outcome.error}" if outcome and outcome.error else ""
        raise JobFailedError(f"Job {run.job_name} ended {status}{reason}")
    return run


def _cli_invocation() -> dict[str, Any]:
    """Give the options of the running `mlflow run`, or nothing when Python called."""
    context = click.get_current_context(silent=True)
    callback = getattr(getattr(context, "command", None), "callback", None)
    module = getattr(callback, "__module__", "")
    if context is None or context.info_name != "run" or not module.startswith("mlflow.cli"):
        return {}
    return dict(context.params)


def _client_versions() -> ClientVersions:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return ClientVersions(python=python, mlflow=mlflow.__version__)


def _announce(display: Display, project: ProjectSpec, spec: JobSpec, workspace: Workspace) -> None:
    where = f"{workspace.ref.workspace_name} (resource group {workspace.ref.resource_group})"
    display.note(f"Workspace    {where}")
    display.note(f"Compute      {spec.compute or 'serverless'}")
    environment = spec.environment
    runs_in = environment.reference or environment.image or "an image that Azure ML builds"
    display.note(f"Environment  {runs_in}: {environment.origin}")
    if spec.sweep is not None:
        objective, total = spec.sweep.objective, spec.sweep.limits.get("max_total_trials")
        trials = f"at most {total} trials" if total else "trials until the service ends it"
        display.note(f"Sweep        {trials}: {objective.goal} {objective.primary_metric}")
    for warning in project.warnings:
        display.note(f"Warning      {warning}")


def _announce_job(display: Display, handle: JobHandle, run_id: str) -> None:
    display.note(f"Job          {handle.job_name}")
    display.note(f"MLflow run   {run_id}")
    if handle.studio_url:
        display.note(f"Link         {handle.studio_url}")
