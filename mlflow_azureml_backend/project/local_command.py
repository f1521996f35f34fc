"""Let MLflow's own local backend make a project's environment, then run a command in it.

    python -m mlflow_azureml_backend.project.local_command JSON

MLflow makes an environment only on the way to running the project itself, in a run of its own
tracking store. Here, in a process of its own, that store and that last step are ours: what MLflow
would run, this process becomes.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOCAL: Final = "mlflow.projects.backend.local"
_UTILS: Final = "mlflow.projects.utils"
_DOCKER: Final = "mlflow.projects.docker"


class _NoStore:
    """What MLflow tells the tracking store on the way: our run has its tags already."""

    def set_tag(self, *_: Any) -> None:
        """Leave it."""


def command_in_environment(wanted: Mapping[str, Any]) -> str:
    """Make the project's environment; give the shell command that runs the project's in it.

    Args:
        wanted: `command`, what to run in it; `root`, the project's folder; `entry_point` and
            `parameters`, which MLflow looks at; `requirements`, the file that says the packages
            where the MLproject names none, or None; `env_manager`; `docker_args`; `build_image`;
            `variables`, the names that a container gets; `mounts`, the paths that it sees;
            `run_id` and `experiment_id`.

    Raises:
        Exception: The environment cannot be made.
    """
    local, keys = importlib.import_module(_LOCAL), importlib.import_module(_UTILS)
    made: list[str] = []
    run = SimpleNamespace(
        info=SimpleNamespace(
            run_id=wanted["run_id"],
            experiment_id=wanted["experiment_id"],
            artifact_uri="azureml://",
        )
    )
    tracking = SimpleNamespace(MlflowClient=_NoStore, get_tracking_uri=lambda: "azureml://")
    replaced: dict[str, Any] = {
        "tracking": tracking,
        "get_or_create_run": lambda *_: run,
        "get_run_env_vars": lambda *_, **__: {},
        "get_entry_point_command": lambda *_: [wanted["command"]],
        "_run_entry_point": lambda command, *_, **__: made.append(command),
        "_get_docker_artifact_storage_cmd_and_envs": lambda _: ([], {}),
        "load_project": _with_requirements(local.load_project, wanted["requirements"]),
        "_get_docker_command": _quoting(local._get_docker_command, wanted),  # noqa: SLF001
    }
    for name, stand_in in replaced.items():
        setattr(local, name, stand_in)
    is_docker = wanted["env_manager"] == "docker"
    if is_docker:
        importlib.import_module(_DOCKER).tracking = tracking  # type: ignore[attr-defined]
    local.LocalBackend().run(
        wanted["root"],
        wanted["entry_point"],
        wanted["parameters"],
        None,
        {
            keys.PROJECT_ENV_MANAGER: None if is_docker else wanted["env_manager"],
            keys.PROJECT_SYNCHRONOUS: True,
            keys.PROJECT_DOCKER_ARGS: wanted["docker_args"],
            keys.PROJECT_STORAGE_DIR: None,
            keys.PROJECT_BUILD_IMAGE: wanted["build_image"],
            keys.PROJECT_DOCKER_AUTH: None,
        },
        "azureml://",
        wanted["experiment_id"],
    )
    return made[0]


def _with_requirements(
    load_project: Callable[[str], Any], requirements: str | None
) -> Callable[[str], Any]:
    """Give MLflow's loader a python_env for a project that has a requirements file alone."""

    def load(root: str) -> Any:
        project = load_project(root)
        if requirements is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
                json.dump({"dependencies": [f"-r {requirements}"]}, file)  # which is YAML
            project.env_config_path = file.name
        return project

    return load


def _quoting(
    docker_command: Callable[..., list[str]], wanted: Mapping[str, Any]
) -> Callable[..., list[str]]:
    """Give MLflow's `docker run` the project's folder, our variables, and quotes.

    A variable goes by its name alone: Docker takes its value from this process, and nobody reads a
    token in a list of processes.
    """

    def command(*args: Any, **options: Any) -> list[str]:
        *run, image = docker_command(*args, **options)
        for name in wanted["variables"]:
            run += ["-e", name]
        for path in (wanted["root"], *wanted["mounts"]):
            run += ["-v", f"{path}:{path}"]
        run += ["-w", wanted["root"], image]
        return [shlex.quote(argument) for argument in run]

    return command


def main() -> None:
    """Make the environment, and become the command."""
    # Programs that came with this package's own environment, such as uv.
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), own])
    wanted = json.loads(sys.argv[1])
    try:
        command = command_in_environment(wanted)
    except Exception as error:  # each tool that makes environments has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SystemExit(f"The project's environment could not be made: {reason}") from error
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(wanted["root"])
    os.execvp("bash", ["bash", "-c", command])  # noqa: S606  # bash is the shell


if __name__ == "__main__":
    main()
