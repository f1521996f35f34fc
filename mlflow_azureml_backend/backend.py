"""The MLflow project backend: one submission, from top to bottom."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click
from mlflow.projects.backend.abstract_backend import AbstractBackend

from mlflow_azureml_backend.announcement import (
    announce,
    announce_job,
    announce_notes,
    announce_workspace,
)
from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.errors import DryRunError, JobFailedError, WorkspaceError
from mlflow_azureml_backend.follow import display_for
from mlflow_azureml_backend.local_run.machine import this_machine
from mlflow_azureml_backend.local_run.plan import plan_local_run
from mlflow_azureml_backend.local_run.start import start_local_run
from mlflow_azureml_backend.nesting import handing_down
from mlflow_azureml_backend.plan import plan_run, with_lock
from mlflow_azureml_backend.registration import wished_registration
from mlflow_azureml_backend.submission_turns import in_turn
from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun
from mlflow_azureml_backend.termination import exit_on_termination
from mlflow_azureml_backend.tracking import (
    choose_tracking,
    experiment_name,
    fetch_data,
    log_job,
    move_to_workspace,
    open_run,
    tied_to_run,
    with_children,
)
from mlflow_azureml_backend.transfer import Transfer
from mlflow_azureml_backend.translate.command import resolve_parameters
from mlflow_azureml_backend.translate.sweep import without_swept
from mlflow_azureml_backend.workspace import connect, look_ahead
from mlflow_azureml_backend.workspace.endpoint import AZURE
from mlflow_azureml_backend.workspace.trust import trusting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.local_run.plan import LocalPlan
    from mlflow_azureml_backend.plan import Plan

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxyz0123456789"
_LONGEST_STEM = 40
_COMMAND_LINES = ("mlflow.cli", "mlflow_azureml_backend.cli")


class AzureMLProjectBackend(AbstractBackend):
    """Run MLflow Projects on Azure Machine Learning."""

    @in_turn
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
            DryRunError: `dry_run` was asked for from Python; it holds the job as YAML.
            JobFailedError: Under `mlflow run`, the job did not complete.
        """
        invocation = _cli_invocation()
        local = plan_local_run(
            project_uri,
            version=version,
            entry_point=entry_point,
            parameters=params,
            backend_config=backend_config,
        )
        if local is not None:
            return _run_here(local, invocation, tracking_uri, experiment_id)
        begin(partial(trusting, AZURE))  # on another core: Python lets go of its lock there
        plan = plan_run(
            project_uri,
            version=version,
            entry_point=entry_point,
            parameters=params,
            backend_config=backend_config,
            experiment_name=experiment_name(experiment_id),
            run_name=invocation.get("run_name"),
        )
        display = display_for(stream=plan.config.stream or bool(invocation))
        plan = with_lock(plan, note=display.note)
        project, config, spec = plan.project, plan.config, plan.spec
        if config.dry_run:
            _show(plan, from_command_line=bool(invocation))
        ref = locate_workspace(
            config.workspace,
            tracking_uri=tracking_uri,
            environ=os.environ,
            project_root=project.root,
        )
        reading = look_ahead(
            ref,
            spec,
            wants_gpu=plan.wants_gpu,
            files=None if plan.locked else project.files,  # a lock is a file of the project
        )
        choice, spec = choose_tracking(
            config.tracking,
            spec,
            tracking_uri=tracking_uri,
            workspace=ref,
            owns_process=bool(invocation),
        )
        swept = spec.sweep.parameters.values() if spec.sweep else ()
        fixed = without_swept(project.entry_point, swept)
        declared, extra = resolve_parameters(fixed, project.parameters)
        workspace = connect(ref)
        found = workspace.check(spec, wants_gpu=plan.wants_gpu)
        fetched = fetch_data(
            spec,
            tracking_uri=tracking_uri,
            workspace=ref,
            storage_dir=plan.options.storage_dir,
            limit=config.max_input_size,
            note=display.note,
        )
        spec = workspace.check_data(fetched.spec)
        spec = workspace.prepare_image(
            replace(spec, notes=(*spec.notes, *found)),
            docker_auth=plan.options.docker_auth,
            shown=config.stream,
        )
        spec = handing_down(spec, plan.handed_down)
        snapshot = reading.result()
        workspace.prepare(spec, snapshot)
        job_name = new_job_name(project.name or project.root.name)
        move_to_workspace(
            choice,
            tracking_uri=tracking_uri,
            workspace=ref,
            own_uri=lambda: workspace.tracking_uri,
        )
        session = open_run(
            project,
            job_name=job_name,
            job_run=workspace.tracked_run(job_name),
            workspace=ref,
            mode=choice.mode,
            experiment_id=experiment_id,
            backend_name=invocation.get("backend") or "azureml",
            run_name=invocation.get("run_name"),
            parameters={**declared, **extra},
            locked=plan.locked,
            model=config.register_model.spec() if config.register_model else None,
            mirror_artifacts=config.mirror_artifacts,
            tell=display.note,
        )
        session = with_children(session, workspace, job_name, tell=display.note, spec=spec)
        announce(display, project, spec, workspace, tracking=choice.line())
        try:
            spec = tied_to_run(
                spec,
                choice,
                tracking_uri=tracking_uri,
                run_id=session.run_id,
                experiment_id=experiment_id,
            )
            record = partial(_log_job, session.run_id, replace(plan, spec=spec))
            # The job's own run is there only with the job.
            recorded = None if choice.is_workspace else begin(record)
            handle = workspace.submit(
                spec,
                name=job_name,
                snapshot=snapshot,
                transfer=Transfer(visible=config.stream),
            )
            fetched.remove()
            if recorded is not None:
                recorded.result()
            session.submitted(handle)
            if recorded is None:
                record()
        except BaseException as error:
            # Whoever sees an error, or pressed Ctrl-C, must not pay for a job: by its name it can
            # be cancelled even if the answer to its submission never came.
            with contextlib.suppress(WorkspaceError):
                workspace.cancel(job_name)
            session.failed_to_submit(str(error) or type(error).__name__)
            raise
        announce_job(display, handle, session.run_id)
        run = AzureMLSubmittedRun(
            workspace,
            handle,
            session,
            display=display,
            queue_timeout=config.queue_timeout,
            on_interrupt=config.on_interrupt,
            on_completed=wished_registration(
                workspace, handle, None if choice.is_workspace else session.run_id
            ),
        )
        return _handed_back(run, display, follow=config.stream if invocation else None)


def _run_here(
    plan: LocalPlan, invocation: Mapping[str, Any], tracking_uri: str, experiment_id: str
) -> AzureMLSubmittedRun:
    """Run the project on this machine, tracked in the workspace."""
    config = plan.config
    display = display_for(stream=config.stream or bool(invocation))
    if config.dry_run:
        _show(plan, from_command_line=bool(invocation))
    ref = locate_workspace(
        config.workspace,
        tracking_uri=tracking_uri,
        environ=os.environ,
        project_root=plan.project.root,
    )
    workspace = connect(ref)
    announce_workspace(display, workspace)
    display.note(f"Compute      this machine, {this_machine()}")
    display.note(f"Environment  {plan.project.environment.kind.value}, by {plan.manager.value}")
    announce_notes(display, plan.project, plan.notes)
    started = start_local_run(
        plan,
        workspace,
        tracking_uri=tracking_uri,
        experiment_id=experiment_id,
        experiment_name=experiment_name(experiment_id),
        backend_name=invocation.get("backend") or "azureml",
        run_name=invocation.get("run_name"),
        note=display.note,
    )
    announce_job(display, started.handle, started.session.run_id)
    run = AzureMLSubmittedRun(
        started.service,
        started.handle,
        started.session,
        display=display,
        on_interrupt=config.on_interrupt,
    )
    return _handed_back(run, display, follow=config.stream if invocation else None)


def _log_job(run_id: str, plan: Plan) -> None:
    log_job(run_id, plan.text(code="."))


def _handed_back(
    run: AzureMLSubmittedRun, display: Display, *, follow: bool | None
) -> AzureMLSubmittedRun:
    """Give the run to MLflow; under `mlflow run` first follow it, or say how to.

    Args:
        run: The run.
        display: Where its lines go.
        follow: Whether to; None where MLflow itself waits if it wants to.
    """
    if follow is None:
        return run
    if not follow:
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
        with exit_on_termination():
            completed = _waited_for(run)
    except SystemExit:
        run.detach()
        raise
    if not completed:
        outcome = run.outcome
        status = outcome.status.value if outcome else "unknown"
        # The whole of it has been shown with the outcome.
        reason = f": {outcome.error.splitlines()[0]}" if outcome and outcome.error else ""
        raise JobFailedError(f"Job {run.job_name} ended {status}{reason}")
    return run


def _waited_for(run: AzureMLSubmittedRun) -> bool:
    try:
        return run.wait()
    except KeyboardInterrupt:  # as MLflow does where it waits itself
        run.cancel()
        raise


def _cli_invocation() -> dict[str, Any]:
    """Give the options of the running `mlflow run`, or of ours; nothing when Python called."""
    context = click.get_current_context(silent=True)
    callback = getattr(getattr(context, "command", None), "callback", None)
    module = getattr(callback, "__module__", "")
    if context is None or context.info_name != "run" or not module.startswith(_COMMAND_LINES):
        return {}
    return dict(context.params)


def _show(plan: Plan | LocalPlan, *, from_command_line: bool) -> NoReturn:
    """Print the job of a dry run, and end there: MLflow would want a run to tag."""
    text = plan.text()
    click.echo(text, nl=False)
    if from_command_line:
        raise SystemExit(0)
    raise DryRunError(text)
