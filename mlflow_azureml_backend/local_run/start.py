"""Start a project on this machine, and take up a run that was started before."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import SubmissionError
from mlflow_azureml_backend.job import JobHandle
from mlflow_azureml_backend.local_run.command import (
    local_values,
    process_arguments,
    shell_command,
)
from mlflow_azureml_backend.local_run.folder import Request
from mlflow_azureml_backend.local_run.machine import this_machine
from mlflow_azureml_backend.local_run.outputs import OUTPUTS, seen_outputs
from mlflow_azureml_backend.local_run.service import CODE, LocalRun
from mlflow_azureml_backend.local_run.session import LocalSession, WithoutCode
from mlflow_azureml_backend.local_run.supervisor import start_supervisor
from mlflow_azureml_backend.project.snapshot_files import SnapshotFile, list_files
from mlflow_azureml_backend.tracking import open_run, reopen_run
from mlflow_azureml_backend.tracking.choice import Mode, is_workspace_store
from mlflow_azureml_backend.tracking.handle_tags import tags_of
from mlflow_azureml_backend.tracking.run_tags import project_tags
from mlflow_azureml_backend.translate.command import resolve_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.local_run.plan import LocalPlan
    from mlflow_azureml_backend.workspace import Workspace
    from mlflow_azureml_backend.workspace.written_run import WrittenRun

# Of a run that this one is started in: the child would log to it.
_OF_ANOTHER_RUN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
_CLI = "mlflow_azureml_backend.cli"
_PARENT = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """Hold a run on this machine as a submitted run takes it."""

    service: LocalRun
    handle: JobHandle
    session: LocalSession


def start_local_run(
    plan: LocalPlan,
    workspace: Workspace,
    *,
    tracking_uri: str,
    experiment_id: str,
    experiment_name: str,
    backend_name: str,
    run_name: str | None,
    note: Callable[[str], None],
) -> StartedRun:
    """Open the run in the workspace, store its code, and start the project.

    Args:
        plan: The run.
        workspace: Where it is tracked.
        tracking_uri: MLflow's tracking URI; the user's own run is in that store.
        experiment_id: The experiment that MLflow chose there.
        experiment_name: Its name, which the workspace's experiment has too.
        backend_name: The name the user chose the backend by.
        run_name: `--run-name`, or None.
        note: Told what is fetched.

    Raises:
        AzureMLBackendError: It cannot be; a run that was opened is FAILED and says why.
    """
    project, config = plan.project, plan.config
    declared, extra = resolve_parameters(project.entry_point, project.parameters)
    parameters = {**declared, **extra}
    values = local_values(plan, note=note)
    command = shell_command(plan, values)
    code = [
        SnapshotFile(path=file.path, name=f"{CODE}/{file.name}")
        for file in list_files(project.root, exclude=(f"/{OUTPUTS}/", *config.snapshot.exclude))
    ]
    name = config.display_name or run_name
    tags = project_tags(project, backend_name=backend_name, run_name=name)
    in_workspace = is_workspace_store(tracking_uri, workspace.ref)
    if not in_workspace:
        tags.pop(_PARENT, None)  # which is of the other store
    tags |= {_NOTE: config.description} if config.description else {}
    experiment = config.experiment_name or experiment_name
    started = time.time()
    record = workspace.open_run(
        experiment_name=experiment,
        run_name=name,
        started=started,
        tags={**tags, **config.tags},
        parameters=parameters,
    )
    handle = _handle(workspace, record.run_id)
    record.tag(tags_of(handle))
    opened = record.read()["info"]
    service = LocalRun(workspace, handle)
    shown = open_run(
        project,
        job_name=record.run_id,
        job_run=WithoutCode(workspace.tracked_run(record.run_id)),
        workspace=workspace.ref,
        mode=Mode.WORKSPACE if in_workspace else Mode.MIRROR,
        experiment_id=experiment_id,
        backend_name=backend_name,
        run_name=name or opened.get("run_name"),
        parameters=parameters,
        mirror_artifacts=config.mirror_artifacts,
    )
    session = LocalSession(service, record, shown)
    try:
        session.submitted(handle)
        record.put(code)
        ours = _variables(plan, workspace, record, opened["experiment_id"], experiment)
        arguments = process_arguments(
            plan,
            command,
            run_id=record.run_id,
            experiment_id=opened["experiment_id"],
            variables=ours,
        )
        service.folder.create(
            Request(
                arguments=arguments,
                working_folder=str(project.root),
                started=started,
                timeout=config.limits.timeout if config.limits else None,
                outputs_before=seen_outputs(project.root),
                completion=[sys.executable, "-m", _CLI, "wait", session.run_id],
            )
        )
        own = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
        start_supervisor(service.folder, {**_inherited(), **ours}, own)
    except BaseException as error:
        session.failed_to_submit(str(error) or type(error).__name__)
        service.folder.remove()
        if isinstance(error, (OSError, RuntimeError)):
            raise SubmissionError(f"The project could not be started: {error}") from error
        raise
    return StartedRun(service=service, handle=handle, session=session)


def reopen_local_run(
    workspace: Workspace, handle: JobHandle, run_id: str | None, *, tracking_uri: str
) -> StartedRun:
    """Take up a local run that any process started before.

    Args:
        workspace: Where it is tracked.
        handle: The run in the workspace.
        run_id: The user's run, or None where the workspace's is the only one.
        tracking_uri: The store that the user's run is in.
    """
    service = LocalRun(workspace, handle)
    shown = reopen_run(
        run_id or handle.job_name,
        job_run=WithoutCode(workspace.tracked_run(handle.job_name)),
        workspace=workspace.ref,
        tracking_uri=tracking_uri if run_id else workspace.tracking_uri,
    )
    record = workspace.written_run(handle.job_name)
    return StartedRun(service=service, handle=handle, session=LocalSession(service, record, shown))


def _handle(workspace: Workspace, run_id: str) -> JobHandle:
    return JobHandle(
        workspace=workspace.ref,
        job_name=run_id,
        studio_url=f"https://ml.azure.com/runs/{run_id}?wsid={workspace.ref.arm_id}",
        machine=this_machine(),
    )


def _variables(
    plan: LocalPlan,
    workspace: Workspace,
    record: WrittenRun,
    experiment_id: str,
    experiment: str,
) -> dict[str, str]:
    """Give the run's variables, then the user's own."""
    ref, token = workspace.ref, record.token()
    return {
        # What the project prints has to be in its log at once.
        "PYTHONUNBUFFERED": "1",
        **workspace.variables,
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        "MLFLOW_RUN_ID": record.run_id,
        "MLFLOW_EXPERIMENT_ID": experiment_id,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        # With this the plugin leaves the run's end to us, as it does in a job to the service.
        "AZUREML_RUN_ID": record.run_id,
        "AZUREML_EXPERIMENT_ID": experiment_id,
        "AZUREML_ARM_SUBSCRIPTION": ref.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": ref.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": ref.workspace_name,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        **({"MLFLOW_TRACKING_TOKEN": token, "AZUREML_RUN_TOKEN": token} if token else {}),
        **plan.variables,
    }


def _inherited() -> dict[str, str]:
    """Give this machine's variables, but for those of a run that this one is started in."""
    return {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_RUN}
