"""Read the environment that an MLproject names, and every file that it names in turn."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml
from mlflow.projects import env_type

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.project.pip_lines import resolve_lines
from mlflow_azureml_backend.project.spec import EnvironmentKind, ProjectEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUIREMENTS_FILE = "requirements.txt"
_DOCKERFILE = "Dockerfile"

_VERSION = re.compile(r"\d+(\.\d+)*")


def read_environment(
    root: Path, project: Any, *, environ: Mapping[str, str], build_image: bool = False
) -> ProjectEnvironment:
    """Read the project's environment.

    Args:
        root: The project's folder.
        project: MLflow's `Project`, which has already chosen the kind and the file.
        environ: Where docker_env's copied variables come from.
        build_image: The user wants an image built from the project's Dockerfile.

    Raises:
        EnvironmentSpecError: A file is missing, is not YAML or is not what its kind asks for.
    """
    if build_image:
        return _dockerfile(root, project, environ)
    if project.docker_env:
        return _docker(project.docker_env, environ)
    if project.env_config_path:
        path = Path(project.env_config_path)
        content = read_yaml_mapping(path)
        file = path.resolve().relative_to(root).as_posix() if _inside(path, root) else str(path)
        if project.env_type == env_type.CONDA:
            conda = read_conda_content(content, path, root)
            return ProjectEnvironment(kind=EnvironmentKind.CONDA, file=file, conda=conda)
        return _python(content, path, root, file)
    requirements = root / _REQUIREMENTS_FILE
    if requirements.is_file():
        return ProjectEnvironment(
            kind=EnvironmentKind.REQUIREMENTS,
            file=_REQUIREMENTS_FILE,
            requirements=resolve_lines([f"-r {_REQUIREMENTS_FILE}"], root / "MLproject", root),
        )
    return ProjectEnvironment(kind=EnvironmentKind.NONE)


def read_conda_file(path: Path, root: Path) -> Mapping[str, Any]:
    """Read a conda environment file, with the requirement files of its pip section inlined.

    Args:
        path: The conda file.
        root: The project's folder, which the files it names must not leave.

    Raises:
        EnvironmentSpecError: The file is missing, not YAML, or not a conda environment.
    """
    return read_conda_content(read_yaml_mapping(path), path, root)


def read_conda_content(content: Any, path: Path, root: Path) -> Mapping[str, Any]:
    """Check a conda environment's content and inline its requirement files."""
    dependencies = content.get("dependencies", [])
    if not isinstance(dependencies, list):
        raise EnvironmentSpecError(f"{path}: dependencies must be a list.")
    resolved: list[Any] = []
    for dependency in dependencies:
        if isinstance(dependency, dict):
            lines = dependency.get("pip", [])
            if set(dependency) != {"pip"} or not _is_lines(lines):
                raise EnvironmentSpecError(
                    f"{path}: a mapping under dependencies must be `pip:` with a list of text."
                )
            resolved.append({"pip": list(resolve_lines(lines, path, root))})
        elif isinstance(dependency, str):
            resolved.append(dependency)
        else:
            raise EnvironmentSpecError(
                f"{path}: dependencies must be text, got {dependency!r}; quote it."
            )
    return MappingProxyType({**content, "dependencies": resolved})


def _python(content: Any, path: Path, root: Path, file: str) -> ProjectEnvironment:
    lines: list[str] = []
    for key in ("build_dependencies", "dependencies"):
        section = content.get(key) or []
        if not _is_lines(section):
            raise EnvironmentSpecError(f"{path}: {key} must be a list of text.")
        lines += section
    python = content.get("python")
    if isinstance(python, float):
        raise EnvironmentSpecError(
            f'{path}: python must be text: write python: "{python}" in quotes, or YAML reads '
            "3.10 as 3.1."
        )
    if python is not None and not _VERSION.fullmatch(str(python)):
        raise EnvironmentSpecError(f'{path}: python must be a version such as "3.10".')
    return ProjectEnvironment(
        kind=EnvironmentKind.PYTHON,
        file=file,
        python=None if python is None else str(python),
        requirements=resolve_lines(lines, path, root),
    )


def _dockerfile(root: Path, project: Any, environ: Mapping[str, str]) -> ProjectEnvironment:
    if not (root / _DOCKERFILE).is_file():
        raise EnvironmentSpecError(
            f"There is no {_DOCKERFILE} in {root}, and --build-image or image.build asks for an "
            "image of it. Add one, or leave the option out: conda_env, python_env and docker_env "
            "need none."
        )
    variables = _docker(project.docker_env, environ).variables if project.docker_env else ()
    return ProjectEnvironment(
        kind=EnvironmentKind.DOCKERFILE, file=_DOCKERFILE, context=root, variables=variables
    )


def _docker(docker_env: Mapping[str, Any], environ: Mapping[str, str]) -> ProjectEnvironment:
    if docker_env.get("volumes"):
        raise EnvironmentSpecError(
            "MLproject: docker_env.volumes names folders of this machine, which a job on Azure ML "
            "cannot see. Remove it and say in the backend config what the job reads: "
            '{"inputs": {"NAME": {"path": "FOLDER or azureml:// URI"}}}, which the command finds '
            "as {inputs.NAME}; or make it a parameter of type path."
        )
    variables: list[tuple[str, str]] = []
    for item in docker_env.get("environment") or []:
        match item:
            case str():
                if item in environ:
                    variables.append((item, environ[item]))
            case [name, value]:
                variables.append((str(name), str(value)))
            case _:
                raise EnvironmentSpecError(
                    "MLproject: docker_env.environment must list names to copy and [name, value] "
                    f"pairs, got {item!r}."
                )
    return ProjectEnvironment(
        kind=EnvironmentKind.DOCKER, image=str(docker_env["image"]), variables=tuple(variables)
    )


def read_yaml_mapping(path: Path) -> Any:
    """Read a YAML file that holds a mapping.

    Raises:
        EnvironmentSpecError: It cannot be read, is not YAML, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentSpecError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise EnvironmentSpecError(f"{path} is not valid YAML: {reason}.") from error
    if not isinstance(content, dict):
        raise EnvironmentSpecError(f"{path} must hold a mapping of key and value.")
    return content


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
