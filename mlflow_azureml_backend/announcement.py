"""What a user is told of a run before its log begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.job import JobHandle, JobSpec
    from mlflow_azureml_backend.project import ProjectSpec
    from mlflow_azureml_backend.workspace import Workspace


def announce(
    display: Display, project: ProjectSpec, spec: JobSpec, workspace: Workspace, *, tracking: str
) -> None:
    """Tell what is about to be submitted, and where.

    Args:
        display: Shows it.
        project: The project.
        spec: Its job.
        workspace: Where it goes.
        tracking: Where its run lives, and why.
    """
    announce_workspace(display, workspace)
    display.note(f"Compute      {spec.compute or 'serverless'}")
    environment = spec.environment
    runs_in = environment.reference or environment.image or "an image that Azure ML builds"
    display.note(f"Environment  {runs_in}: {environment.origin}")
    display.note(f"Tracking     {tracking}")
    if spec.sweep is not None:
        objective, total = spec.sweep.objective, spec.sweep.limits.get("max_total_trials")
        trials = f"at most {total} trials" if total else "trials until the service ends it"
        display.note(f"Sweep        {trials}: {objective.goal} {objective.primary_metric}")
    if spec.pipeline is not None:
        display.note(f"Steps        {', '.join(spec.pipeline.steps)}")
    announce_notes(display, project, spec.notes)


def announce_workspace(display: Display, workspace: Workspace) -> None:
    """Tell where the run is tracked."""
    where = f"{workspace.ref.workspace_name} (resource group {workspace.ref.resource_group})"
    display.note(f"Workspace    {where}")


def announce_notes(display: Display, project: ProjectSpec, notes: tuple[str, ...]) -> None:
    """Tell what the user should know of the project and of its run."""
    for warning in project.warnings:
        display.note(f"Warning      {warning}")
    for note in notes:
        display.note(f"Note         {note}")


def announce_job(display: Display, handle: JobHandle, run_id: str) -> None:
    """Tell by which names the run is found again."""
    if handle.machine is None:
        display.note(f"Job          {handle.job_name}")
    display.note(f"MLflow run   {run_id}")
    if handle.studio_url:
        display.note(f"Link         {handle.studio_url}")
