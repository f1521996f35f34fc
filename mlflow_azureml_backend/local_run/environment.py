"""What makes the environment of a project on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.project import EnvironmentKind

if TYPE_CHECKING:
    from mlflow_azureml_backend.project import ProjectEnvironment


class EnvironmentManager(str, Enum):
    """MLflow's words for it, and `docker`, which a docker_env always is."""

    LOCAL = "local"
    VIRTUALENV = "virtualenv"
    CONDA = "conda"
    UV = "uv"
    DOCKER = "docker"


# As MLflow's local backend chooses. A project without an environment file names none to make.
_OF_KIND = {
    EnvironmentKind.CONDA: EnvironmentManager.CONDA,
    EnvironmentKind.PYTHON: EnvironmentManager.VIRTUALENV,
    EnvironmentKind.DOCKER: EnvironmentManager.DOCKER,
    EnvironmentKind.DOCKERFILE: EnvironmentManager.DOCKER,
    EnvironmentKind.REQUIREMENTS: EnvironmentManager.VIRTUALENV,
    EnvironmentKind.NONE: EnvironmentManager.LOCAL,
}
# Where MLflow looks for conda before it looks for the program.
_CONDA_VARIABLES = ("MLFLOW_CONDA_HOME", "CONDA_EXE")
_PROGRAMS = {
    EnvironmentManager.CONDA: "conda",
    EnvironmentManager.DOCKER: "docker",
    EnvironmentManager.VIRTUALENV: "pyenv",
    EnvironmentManager.UV: "uv",
}


def manager_of(environment: ProjectEnvironment, asked: str | None) -> EnvironmentManager:
    """Choose what makes a project's environment.

    Args:
        environment: The project's.
        asked: `--env-manager`, or None.

    Raises:
        EnvironmentSpecError: It cannot be made on this machine.
    """
    chosen = _OF_KIND[environment.kind]
    # A docker_env goes before what was asked for, as with MLflow.
    if asked is not None and chosen is not EnvironmentManager.DOCKER:
        try:
            chosen = EnvironmentManager(asked)
        except ValueError:
            known = ", ".join(manager.value for manager in EnvironmentManager)
            raise EnvironmentSpecError(
                f"--env-manager {asked} is not known for a run on this machine: {known}."
            ) from None
        if chosen is EnvironmentManager.DOCKER:
            raise EnvironmentSpecError("--env-manager docker: the project has no docker_env.")
        if chosen is EnvironmentManager.CONDA and environment.kind is not EnvironmentKind.CONDA:
            raise EnvironmentSpecError(
                "The project's environment is no conda_env: --env-manager conda cannot make it; "
                "say virtualenv or local."
            )
    program = _PROGRAMS.get(chosen)
    named = chosen is EnvironmentManager.CONDA and any(map(os.environ.get, _CONDA_VARIABLES))
    if program is not None and not named and shutil.which(program, path=_search_path()) is None:
        others = {"virtualenv", "uv", "local"} - {chosen.value}
        advice = ", or choose another --env-manager: " + ", ".join(sorted(others))
        raise EnvironmentSpecError(
            f"The project's environment ({environment.kind.value}, by {chosen.value}) needs "
            f"`{program}`, which this machine does not have. Install it"
            f"{'' if chosen is EnvironmentManager.DOCKER else advice}."
        )
    return chosen


def _search_path() -> str:
    """Give the path that programs are looked for in, with those of this Python's environment."""
    own = str(Path(sys.executable).parent)
    return os.pathsep.join([os.environ.get("PATH", os.defpath), own])
