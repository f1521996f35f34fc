"""Runtimes: what turns an environment asset into something a job's process can run in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """Say what an environment version asks for, as its document does.

    Args:
        name: the environment's name.
        version: its version.
        conda_file: the conda file's text, YAML or JSON; None without one.
        image: the base image; None without one.
        build: the Docker build context; None without one.
        bring_context: copies the files of the build context into a folder; raises a BuildError.
        pip_folder: what the paths in the conda file's pip section are relative to; None where it
            may name none.
    """

    name: str
    version: str
    conda_file: str | None = None
    image: str | None = None
    build: Mapping[str, str] | None = None
    bring_context: Callable[[Path], None] | None = field(default=None, compare=False, repr=False)
    pip_folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Say where one process of a job runs.

    Args:
        name: a name that no other process of this emulator has.
        folder: holds everything the process reads and writes.
        directory: its working directory, below the folder.
        variables: all its variables.
        shm_size: the size of its shared memory, as the job says it (`2g`); None for the default.
        docker_args: further options for a container, as the job says them.
    """

    name: str
    folder: Path
    directory: Path
    variables: Mapping[str, str]
    shm_size: str | None = None
    docker_args: str | None = None


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Say where an environment's programs are, and how a command is run in it.

    Args:
        bin: the folder of `python` and the environment's other programs.
        variables: what a process that runs in it needs to have set.
        notes: in what it is not what was asked for, for people.
    """

    bin: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def argv(self, command: str, placement: Placement) -> tuple[str, ...]:
        """Give the program of this machine that runs a command in the environment.

        It runs in the placement's directory and with its variables, and ends when the command
        does, with the command's status code.

        Args:
            command: what bash is to run.
            placement: where it runs.
        """
        del placement
        return ("bash", "-c", command)


class BuildError(Exception):
    """Say why an environment cannot be had.

    Args:
        explanation: what its builder said, for people; may have many lines.
    """

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation)
        self.explanation = explanation


class Runtime(Protocol):
    """Prepare environments; the methods may be called from any thread.

    Args:
        name: what the emulator's settings call it.
    """

    name: ClassVar[str]

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Build an environment, or find it built; blocks until it is there.

        Args:
            environment: what is asked for.
            log: where the build tells what it does, line by line.

        Raises:
            BuildError: it cannot be had.
        """

    def close(self) -> None:
        """End the builds that are under way; their callers get a BuildError."""


def runtime_named(name: str, folder: Path) -> Runtime:
    """Give the runtime that the emulator's settings name.

    Args:
        name: `venv`, `conda`, `docker` or `host`.
        folder: where it may keep environments.

    Raises:
        RuntimeUnavailableError: there is no runtime of that name, or it cannot run here.
    """
    from mlflow_azureml_backend.emulator.runtimes.availability import require_available

    require_available(name)
    if name == "conda":
        from mlflow_azureml_backend.emulator.runtimes.conda import CondaRuntime

        return CondaRuntime(folder)
    if name == "docker":
        from mlflow_azureml_backend.emulator.runtimes.docker import DockerRuntime

        return DockerRuntime(folder)
    if name == "host":
        from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime

        return HostRuntime()
    from mlflow_azureml_backend.emulator.runtimes.venv import VenvRuntime

    return VenvRuntime(folder)
