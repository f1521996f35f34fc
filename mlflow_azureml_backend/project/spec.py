"""An MLflow Project, read and resolved, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.data_spec import Binding
    from mlflow_azureml_backend.project.snapshot_files import SnapshotFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter of an entry point.

    Args:
        type: MLproject's word: string, float, int, path, uri (others are taken as string); or
            `input` or `output` where the backend config says that it is one.
        default: Default value as text, or None when the user must give one.
    """

    name: str
    type: str = "string"
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """One entry point: a command template in `str.format` syntax and its parameters."""

    name: str
    command: str
    parameters: tuple[Parameter, ...] = ()


class EnvironmentKind(str, Enum):
    """The kinds of environment that a project can have."""

    CONDA = "conda_env"
    PYTHON = "python_env"
    DOCKER = "docker_env"
    DOCKERFILE = "Dockerfile"
    REQUIREMENTS = "requirements.txt"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectEnvironment:
    """The project's own environment, with every file it names already read.

    Args:
        file: Path of the environment file relative to the project, or None.
        conda: The conda file's content (kind CONDA).
        python: Python version such as `3.10` (kind PYTHON), or None for the client's.
        requirements: pip requirement lines (kinds PYTHON and REQUIREMENTS).
        image: Container image (kind DOCKER).
        context: Folder of the Docker build context (kind DOCKERFILE).
        variables: Environment variables that docker_env defines or copies.
    """

    kind: EnvironmentKind
    file: str | None = None
    conda: Mapping[str, Any] | None = None
    python: str | None = None
    requirements: tuple[str, ...] = ()
    image: str | None = None
    context: Path | None = None
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """Where the project's files come from.

    Args:
        repo_url: The `origin` remote, credentials removed, or None.
        branch: Checked-out branch, or None when detached.
        dirty: Whether tracked files differ from the commit.
    """

    commit: str
    repo_url: str | None = None
    branch: str | None = None
    dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalData:
    """A file or folder of this machine that a run reads.

    Args:
        path: Absolute path.
        type: `uri_file`, `uri_folder`, or what the backend config says.
        in_snapshot: Its path in the project's snapshot, which the job has anyway, or None.
    """

    path: Path
    type: str
    in_snapshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpec:
    """One entry point of one project with the values that the user gave.

    Args:
        root: The project's folder on this machine.
        uri: The URI as the user wrote it.
        version: The `--version` that the user asked for, or None.
        parameters: The user's values as text, declared or not, in the order given.
        environment: The project's own environment.
        git: Lineage of `root`, or None outside a git repository.
        warnings: What the user should know of the project before it runs.
        local_data: The data of this machine that parameters and inputs name, by their names.
        bindings: What a step reads of other steps or of the run, by its parameter's or input's
            name.
        steps: The steps of a pipeline, each as a project with its own entry point and values;
            nothing for a job of its own.
        starts_runs: Whether the entry point starts runs of this backend itself.
        files: The files of its snapshot.
    """

    name: str | None
    root: Path
    uri: str
    version: str | None
    entry_point: EntryPoint
    parameters: Mapping[str, str]
    environment: ProjectEnvironment
    git: GitSource | None = None
    warnings: tuple[str, ...] = ()
    local_data: Mapping[str, LocalData] = field(default_factory=lambda: MappingProxyType({}))
    bindings: Mapping[str, Binding] = field(default_factory=lambda: MappingProxyType({}))
    steps: Mapping[str, ProjectSpec] = field(default_factory=lambda: MappingProxyType({}))
    starts_runs: bool = False
    files: tuple[SnapshotFile, ...] = field(default=(), repr=False)

    @property
    def is_fetched(self) -> bool:
        """Whether the project's folder is a copy that was made for this run alone."""
        location = self.uri.split("#", maxsplit=1)[0].removeprefix("file://")
        return not self.root.is_relative_to(Path(location).resolve())
