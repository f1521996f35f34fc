"""The tags that MLflow itself sets on the run of a project."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from mlflow.entities import SourceType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking.fluent import active_run
from mlflow.utils import mlflow_tags

if TYPE_CHECKING:
    from mlflow_azureml_backend.project import ProjectSpec


def project_tags(
    project: ProjectSpec, *, backend_name: str, run_name: str | None
) -> dict[str, str]:
    """Say where a run comes from, as MLflow's local backend does.

    Args:
        project: What runs.
        backend_name: The name the user chose the backend by.
        run_name: `--run-name`, or None to leave the naming to MLflow.
    """
    tags: dict[str, str | None] = {
        mlflow_tags.MLFLOW_USER: _user(),
        mlflow_tags.MLFLOW_SOURCE_NAME: _source_name(project),
        mlflow_tags.MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.PROJECT),
        mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT: project.entry_point.name,
        mlflow_tags.MLFLOW_PROJECT_BACKEND: backend_name,
        mlflow_tags.MLFLOW_RUN_NAME: run_name,
    }
    tags[mlflow_tags.MLFLOW_PARENT_RUN_ID] = _parent()
    if project.git is not None:
        tags[mlflow_tags.MLFLOW_GIT_COMMIT] = project.git.commit
        tags[mlflow_tags.MLFLOW_GIT_REPO_URL] = project.git.repo_url
        tags[mlflow_tags.MLFLOW_GIT_BRANCH] = project.git.branch
    return {key: value for key, value in tags.items() if value}


def _parent() -> str | None:
    """Name the run that this process works for: its active one, or one that MLflow was given."""
    run = active_run()
    if run is not None:
        return str(run.info.run_id)
    given = os.environ.get("MLFLOW_RUN_ID")
    if not given:
        return None
    try:
        return str(MlflowClient().get_run(given).info.run_id)
    except MlflowException:  # of another store, or left over
        return None


def _source_name(project: ProjectSpec) -> str:
    """Name the repository and folder of a project in git, else the folder or URI itself."""
    if "://" in project.uri or project.uri.startswith("git@"):
        return project.uri
    return str(project.root)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return os.environ.get("USERNAME")
