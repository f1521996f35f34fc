"""The command of a project on this machine, and the process that is started for it."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.data_schema import InputConfig
from mlflow_azureml_backend.data_uri import Place, place_of
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.local_run.environment import EnvironmentManager
from mlflow_azureml_backend.local_run.outputs import OUTPUTS
from mlflow_azureml_backend.local_run.plugin import this_client, with_plugin
from mlflow_azureml_backend.project import EnvironmentKind
from mlflow_azureml_backend.translate.command import render_command, shell_quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlflow_azureml_backend.local_run.plan import LocalPlan

_DATA_TYPES = ("path", "input")


def local_values(plan: LocalPlan, *, note: Callable[[str], None]) -> dict[str, str]:
    """Give the values of parameters and inputs as the command on this machine takes them.

    Data is named by its absolute path; what only MLflow can read is fetched first. An output
    without a value is a folder of the run's `outputs/`.

    Args:
        plan: The run.
        note: Told what is fetched.

    Raises:
        ProjectError: Data cannot be had on this machine.
    """
    project, config = plan.project, plan.config
    declared = {parameter.name: parameter for parameter in project.entry_point.parameters}
    values = dict(project.parameters)
    data = {name for name, parameter in declared.items() if parameter.type in _DATA_TYPES}
    for name, given in config.inputs.items():
        text = given if isinstance(given, str) else given.path
        if name not in values and text is not None:
            values[name] = text
        if isinstance(given, InputConfig):
            data.add(name)
    for name in data:
        text = values.get(name, declared[name].default if name in declared else None)
        if name in project.local_data:
            values[name] = str(project.local_data[name].path)
        elif text is not None:
            values[name] = _fetched(plan, name, text, note)
    for name in config.outputs:
        if not values.get(name):
            folder = project.root / OUTPUTS / name
            folder.mkdir(parents=True, exist_ok=True)
            values[name] = str(folder)
    return values


def _fetched(plan: LocalPlan, name: str, uri: str, note: Callable[[str], None]) -> str:
    from mlflow_azureml_backend.tracking.fetched_data import fetch_to

    of_the_web = uri.lower().startswith(("http:", "https:"))
    if place_of(uri) is not Place.FETCHED and not of_the_web:
        raise ProjectError(
            f"'{name}': {uri} is read by jobs of Azure ML alone; for a run on this machine, "
            "download it and give its path."
        )
    base = plan.options.storage_dir
    if base is not None:
        Path(base).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mlflow-azureml-", dir=base))
    limit = plan.config.max_input_size
    return str(fetch_to(folder / name, uri, name=name, limit=limit, note=note))


def shell_command(plan: LocalPlan, values: Mapping[str, str]) -> str:
    """Fill the entry point's command.

    Args:
        plan: The run.
        values: Of parameters, inputs and outputs.
    """
    names = {parameter.name for parameter in plan.project.entry_point.parameters}
    placeholders = {
        **{f"inputs.{name}": shell_quote(values[name]) for name in plan.config.inputs},
        **{f"outputs.{name}": shell_quote(values[name]) for name in plan.config.outputs},
    }
    # An input or output of the config's own is for placeholders; MLflow would append it.
    own = {*plan.config.inputs, *plan.config.outputs} - names
    given = {name: value for name, value in values.items() if name not in own}
    return render_command(plan.project.entry_point, given, placeholders)


def process_arguments(
    plan: LocalPlan, command: str, *, run_id: str, experiment_id: str, variables: Iterable[str]
) -> list[str]:
    """Give the process that runs a command, in an environment that is made for it if need be.

    Args:
        plan: The run.
        command: The command, for a shell.
        run_id: The run's id.
        experiment_id: Its experiment's.
        variables: The names of the variables that a container gets.
    """
    if plan.manager is EnvironmentManager.LOCAL:
        return ["bash", "-c", command]
    project, is_docker = plan.project, plan.manager is EnvironmentManager.DOCKER
    if plan.config.inject != "never":
        command = with_plugin(command, project.environment, plan.manager, this_client())
    requirements = project.environment.kind is EnvironmentKind.REQUIREMENTS
    wanted: dict[str, Any] = {
        "command": f"sh -c {shlex.quote(command)}" if is_docker else command,
        "root": str(project.root),
        "entry_point": project.entry_point.name,
        "parameters": dict(project.parameters),
        "requirements": project.environment.file if requirements else None,
        "env_manager": plan.manager.value,
        "docker_args": dict(plan.options.docker_args),
        "build_image": plan.options.build_image,
        "variables": sorted(variables),
        "mounts": [str(data.path) for data in project.local_data.values()],
        "run_id": run_id,
        "experiment_id": experiment_id,
    }
    program = "mlflow_azureml_backend.project.local_command"
    return [sys.executable, "-m", program, json.dumps(wanted)]
