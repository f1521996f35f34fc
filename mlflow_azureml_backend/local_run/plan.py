"""One run on this machine, planned: all that can be said of it before the workspace is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.config.local_compute import LOCAL, check_local
from mlflow_azureml_backend.config.variables import resolve_variables
from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.local_run.environment import EnvironmentManager, manager_of
from mlflow_azureml_backend.local_run.plugin import this_client, with_plugin
from mlflow_azureml_backend.project.loader import read_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.config import BackendConfig, MLflowOptions
    from mlflow_azureml_backend.project import ProjectSpec

# Asked of the Python that the project's command will find.
_PROBE = (
    "from importlib.metadata import distributions as d;"
    "print(*{(x.metadata['Name'] or '').lower().replace('_', '-') for x in d()})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlan:
    """Hold a run on this machine as it was read.

    Args:
        project: The project.
        config: The backend config.
        options: What the caller asked of MLflow itself.
        manager: What makes the environment that the command runs in.
        variables: The variables that the config and the project's docker_env add.
        notes: What the user should know.
    """

    project: ProjectSpec
    config: BackendConfig
    options: MLflowOptions
    manager: EnvironmentManager
    variables: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...]

    def text(self) -> str:
        """Say as YAML what would run; the command is the entry point's, with its parameters."""
        return yaml.safe_dump(
            {
                "compute": LOCAL,
                "code": str(self.project.root),
                "entry_point": self.project.entry_point.name,
                "command": self.project.entry_point.command,
                "parameters": dict(self.project.parameters),
                "environment": self.manager.value,
                "environment_variables": sorted(self.variables),
            },
            sort_keys=False,
            allow_unicode=True,
        )


def plan_local_run(
    project_uri: str,
    *,
    version: str | None,
    entry_point: str,
    parameters: Mapping[str, Any] | None,
    backend_config: Mapping[str, Any],
) -> LocalPlan | None:
    """Read one run, if its compute is `local`; nothing is created.

    Args:
        project_uri: Folder, zip file or git URI.
        version: Git version, or None.
        entry_point: Entry point or script.
        parameters: The user's parameter values.
        backend_config: The user's config and what MLflow adds to it.

    Returns:
        The plan; None for a run that is a job.

    Raises:
        AzureMLBackendError: The config, the project or this machine cannot do it.
    """
    config, options = read_backend_config(backend_config)
    if config.compute != LOCAL:
        return None
    notes = check_local(config)
    if sys.platform == "win32":
        raise EnvironmentSpecError(
            "Backend config: compute is local, which runs projects on Linux and macOS; on Windows, "
            "run it in WSL, or name a compute of the workspace."
        )
    # What is on this machine stays here, however large it is.
    unlimited = config.model_copy(update={"max_input_size": sys.maxsize})
    project = read_project(
        project_uri,
        version=version,
        entry_point=entry_point,
        parameters=parameters,
        build_image=options.build_image,
        config=unlimited,
    )
    manager = manager_of(project.environment, options.env_manager)
    if config.inject != "never":
        if manager is EnvironmentManager.LOCAL:
            _check_plugin()
        else:  # an environment that the plugin cannot join is refused now
            with_plugin("", project.environment, manager, this_client())
    variables = resolve_variables(config.environment_variables, os.environ)
    secret = {name: given.value or "" for name, given in variables.secret.items()}
    return LocalPlan(
        project=project,
        config=config,
        options=options,
        manager=manager,
        variables=MappingProxyType(
            {**dict(project.environment.variables), **variables.open, **secret}
        ),
        notes=(*options.notes, *notes),
    )


def _check_plugin() -> None:
    """Make sure that a Python which has MLflow has the plugin for the workspace as well.

    Raises:
        EnvironmentSpecError: It has not.
    """
    python = shutil.which("python") or shutil.which("python3")
    if python is None:
        return  # whatever the command runs, it is no Python
    done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, check=False)
    found = set(done.stdout.split())
    if {"mlflow", "mlflow-skinny"} & found and "azureml-mlflow" not in found:
        raise EnvironmentSpecError(
            f"{python}, in which the project runs on this machine, has MLflow and lacks "
            "azureml-mlflow, by which it logs to the workspace. Install it there (`pip install "
            "azureml-mlflow`; beside an MLflow that is too new for it, with --no-deps), let MLflow "
            "make the project's own environment (--env-manager virtualenv or conda), or say "
            '`"inject": "never"` for a project that logs nothing.'
        )
