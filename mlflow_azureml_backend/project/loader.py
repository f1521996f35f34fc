"""Load an MLflow Project from a folder, a zip or git into a `ProjectSpec`."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.projects.utils import (
    _fetch_git_repo,
    _fetch_project,
    _is_local_uri,
    _parse_file_uri,
    _parse_subdirectory,
    load_project,
)

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.data_parameters import unknown_types, with_data_parameters
from mlflow_azureml_backend.project.environment_files import read_environment
from mlflow_azureml_backend.project.git import git_source, without_credentials
from mlflow_azureml_backend.project.local_data import find_local_data
from mlflow_azureml_backend.project.mlproject_file import check_mlproject
from mlflow_azureml_backend.project.nested_runs import starts_runs
from mlflow_azureml_backend.project.snapshot_files import check_size, list_files
from mlflow_azureml_backend.project.spec import EntryPoint, Parameter, ProjectSpec
from mlflow_azureml_backend.project.steps import with_steps

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mlflow_azureml_backend.project.spec import ProjectEnvironment

# A name is not quoted like a value: it must not hold what azure-ai-ml or the service would resolve.
_EXPRESSION = re.compile(r"\$\{\{|\{(?:inputs|outputs|search_space)\.")

# How a script named as entry point is run. MLflow takes the client's $SHELL for `.sh`; a job runs
# on another machine, where bash is what every Azure ML image has.
_INTERPRETERS = {".py": "python {}", ".sh": "bash {}"}

# What MLflow runs where no entry point is named.
_DEFAULT = "main"


def read_project(
    uri: str,
    *,
    version: str | None,
    entry_point: str,
    parameters: Mapping[str, Any] | None,
    environ: Mapping[str, str] | None = None,
    build_image: bool = False,
    config: BackendConfig | None = None,
    root: Path | None = None,
) -> ProjectSpec:
    """Fetch and read a project, and check that the entry point can be run with these values.

    Args:
        uri: Folder, `file://` URI, zip file or git URI, the last three with `#subdirectory`.
        version: Git commit, branch or tag.
        entry_point: Name of an entry point, or path of a `.py` or `.sh` file in the project.
        parameters: The user's values.
        environ: Where docker_env's copied variables come from; default: this process.
        build_image: The user wants an image built from the project's Dockerfile.
        config: Says which parameters are inputs, outputs or a sweep's, and what belongs to the
            snapshot; its job file laid under it already.
        root: The project's folder, where `fetch_project` was asked already.

    Raises:
        ProjectError: Nothing could be fetched, or the MLproject, the files that it names, the
            entry point or the values are wrong, or data that they name does not exist.
        EnvironmentSpecError: The environment file is unreadable or wrong.
    """
    root = root or fetch_project(uri, version)
    project, warnings = _load(root)
    values = {str(key): str(value) for key, value in (parameters or {}).items()}
    config = config or BackendConfig()
    entry = with_data_parameters(_run_entry_point(project, root, entry_point, config), config)
    _check_values(entry, {*values, *(config.sweep.search_space if config.sweep else ())})
    local_data = find_local_data(entry, values, config, root=root, working_directory=Path.cwd())
    environment = read_environment(
        root,
        project,
        environ=os.environ if environ is None else environ,
        build_image=build_image,
    )
    files = list_files(root, exclude=config.snapshot.exclude)
    check_size(files, max_bytes=config.snapshot.max_size)
    spec = ProjectSpec(
        name=None if project.name is None else str(project.name),
        root=root,
        uri=without_credentials(uri),
        version=version,
        entry_point=entry,
        parameters=MappingProxyType(values),
        environment=environment,
        git=git_source(root),
        warnings=(*warnings, *unknown_types(entry)),
        local_data=MappingProxyType(local_data),
        starts_runs=starts_runs(root, entry.command),
        files=tuple(files),
    )
    if config.steps is None:
        return spec
    hint = "A step's `entry_point` says which one it runs"
    return with_steps(
        spec, config, lambda name: _entry_point(project, root, name, hint=hint), Path.cwd()
    )


def read_project_environment(root: Path) -> ProjectEnvironment:
    """Read the environment of a project on this machine, whatever its entry points need.

    Args:
        root: The project's folder.

    Raises:
        ProjectError: The MLproject is wrong.
        EnvironmentSpecError: The environment file is unreadable or wrong.
    """
    return read_environment(root, _load(root)[0], environ=os.environ)


def _load(root: Path) -> tuple[Any, tuple[str, ...]]:
    warnings = check_mlproject(root)
    try:
        return load_project(str(root)), warnings
    except MlflowException as error:
        raise ProjectError(f"{root}: {error.message}") from error


def fetch_project(uri: str, version: str | None) -> Path:
    """Bring a project to this machine, and give its folder.

    Args:
        uri: Folder, `file://` URI, zip file or git URI, the last three with `#subdirectory`.
        version: Git commit, branch or tag.

    Raises:
        ProjectError: It cannot be fetched, or is no folder.
    """
    if not uri.strip():
        raise ProjectError("No project is named: give a folder, a zip file or a git URI.")
    shown = without_credentials(uri)
    try:
        location, subdirectory = _parse_subdirectory(uri)
        if _is_bare_repository(Path(_parse_file_uri(location))):
            # MLflow takes every folder of this machine for the project itself.
            folder = tempfile.mkdtemp()
            _fetch_git_repo(location, version, folder)
            root = Path(_fetch_project(f"{folder}#{subdirectory}"))
        else:
            root = Path(_fetch_project(uri, version))
    except MlflowException as error:
        raise ProjectError(f"Project {shown}: {without_credentials(error.message)}") from error
    except Exception as error:
        # GitPython, zipfile and requests each have their own tree; a user has one question.
        reason = without_credentials(" ".join(str(getattr(error, "stderr", "") or error).split()))
        kind = (
            "cannot be read"
            if _is_local_uri(uri.split("#", maxsplit=1)[0])
            else "cannot be fetched"
        )
        raise ProjectError(
            f"Project {shown} {kind}: it must be an existing folder, a zip file, or a git "
            f"repository that `git clone` can reach. {reason[:600]}"
        ) from error
    if not root.is_dir():
        raise ProjectError(f"Project {shown}: {root} is not a folder.")
    return root.resolve()


def _is_bare_repository(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def _run_entry_point(project: Any, root: Path, name: str, config: BackendConfig) -> EntryPoint:
    """Give the entry point that the run names; one that only steps stand for need not be there."""
    if config.steps and name == _DEFAULT and name not in _declared(project):
        return EntryPoint(name=name, command="")
    return _entry_point(project, root, name)


def _declared(project: Any) -> dict[str, Any]:
    table = project._entry_points or {}  # noqa: SLF001  # MLflow keeps the table there
    return {str(key): entry for key, entry in table.items()}  # YAML may read a name as a number


def _entry_point(
    project: Any, root: Path, name: str, *, hint: str = "Name one with --entry-point"
) -> EntryPoint:
    declared = _declared(project)
    if name in declared:
        entry = declared[name]
        parameters = tuple(
            Parameter(
                name=str(parameter.name),
                type=str(parameter.type),
                default=None if parameter.default is None else str(parameter.default),
            )
            for parameter in entry.parameters.values()
        )
        return EntryPoint(name=name, command=entry.command, parameters=parameters)
    interpreter = _INTERPRETERS.get(Path(name).suffix)
    if interpreter and (root / name).is_file() and _is_inside(root, name):
        if _EXPRESSION.search(name):
            raise ProjectError(
                f"The script name '{name}' reads as an Azure ML expression; rename the file."
            )
        # Braces in a file name are text, not a template.
        command = interpreter.format(shlex.quote(name)).replace("{", "{{").replace("}", "}}")
        return EntryPoint(name=name, command=command)
    choices = ", ".join(sorted(declared)) or "none is declared"
    if not declared and not any(path.name.lower() == "mlproject" for path in root.iterdir()):
        raise ProjectError(
            f"There is no MLproject file in {root}, and no script '{name}' to run instead. "
            "Add an MLproject, or name a .py or .sh file of that folder with --entry-point."
        )
    raise ProjectError(
        f"{root}: there is no entry point '{name}' (MLproject has: {choices}) and no such .py or "
        f".sh file. {hint}."
    )


def _is_inside(root: Path, name: str) -> bool:
    return (root / name).resolve().is_relative_to(root)


def _check_values(entry: EntryPoint, values: Collection[str]) -> None:
    missing = [
        parameter.name
        for parameter in entry.parameters
        if parameter.name not in values and parameter.default is None
    ]
    if missing:
        options = " ".join(f"-P {name}=VALUE" for name in missing)
        raise ProjectError(
            f"Entry point '{entry.name}' needs a value for {', '.join(missing)}: add {options}."
        )
