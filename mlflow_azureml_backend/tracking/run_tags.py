"""The tags that MLflow itself sets on the run of a project."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from mlflow.entities import SourceType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking.fluent import active_run
from mlflow.utils import mlflow_tags

from mlflow_azureml_backend import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.project import ProjectSpec

BACKEND_VERSION = "azureml.backend_version"
"""The tag that holds the version of this package."""

DIRTY = "azureml.git.dirty"
"""The tag that says whether files differ from the commit; the job's property has the same name."""

_RUN_ID = "MLFLOW_RUN_ID"
_JOB = "AZUREML_RUN_ID"
_starter: ContextVar[str | None] = ContextVar("starter", default=None)


@contextmanager
def below_active_run() -> Iterator[None]:
    """Let runs that are opened in the block's context be children of this thread's active run.

    MLflow's own stack of active runs is a thread's; a context goes along to other threads.
    """
    active = active_run()
    token = _starter.set(None if active is None else str(active.info.run_id))
    try:
        yield
    finally:
        _starter.reset(token)


def project_tags(
    project: ProjectSpec, *, backend_name: str, run_name: str | None
) -> dict[str, str]:
    """Say where a run comes from, as MLflow's local backend does, and what submitted it.

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
        BACKEND_VERSION: __version__,
    }
    tags[mlflow_tags.MLFLOW_PARENT_RUN_ID] = _parent()
    if project.git is not None:
        tags[mlflow_tags.MLFLOW_GIT_COMMIT] = project.git.commit
        tags[mlflow_tags.MLFLOW_GIT_REPO_URL] = project.git.repo_url
        tags[mlflow_tags.MLFLOW_GIT_BRANCH] = project.git.branch
        tags[DIRTY] = str(project.git.dirty)
    return {key: value for key, value in tags.items() if value}


def _parent() -> str | None:
    """Find the run that this one is started in.

    MLflow's local backend and the service tell an entry point its run by variables. MLflow itself
    takes the first one out of the environment when the run is opened; active runs are a thread's.
    """
    active = active_run()
    if active is not None:
        return str(active.info.run_id)
    if (starter := _starter.get()) is not None:
        return starter
    named = os.environ.get(_RUN_ID) or os.environ.get(_JOB)
    if not named:
        return None
    try:
        MlflowClient().get_run(named)
    except MlflowException:  # of another store
        return None
    return named


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
