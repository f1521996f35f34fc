"""The runtime that builds each environment's conda file as a Python virtual environment."""

from __future__ import annotations

import io
import platform
import re
import shutil
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError, Interpreter
from mlflow_azureml_backend.emulator.runtimes.conda_context import with_conda_file
from mlflow_azureml_backend.emulator.runtimes.conda_file import CondaFileError, read_conda_file
from mlflow_azureml_backend.emulator.runtimes.kept_environments import (
    KeptEnvironments,
    complete_facts,
    content_hash,
    mark_complete,
)
from mlflow_azureml_backend.emulator.runtimes.uv import Uv, without_credentials

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec
from mlflow_azureml_backend.emulator.runtimes.conda_file import CondaFile

_FORMAT: Final = 1
"""Raised when environments are built in another way, so that old ones are not taken for new."""


class VenvRuntime:
    """Build environments with uv and keep them, one for each content.

    Args:
        folder: where the environments are kept.
    """

    name: ClassVar[str] = "venv"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._uv = Uv(folder)
        self._environments = KeptEnvironments()

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Build an environment, or find it built; blocks until it is there.

        Args:
            environment: what is asked for; only a conda file can be met, alone or as what a build
                context makes.
            log: where the build tells what it does.

        Raises:
            BuildError: it has no conda file, or cannot be solved or installed.
        """
        try:
            wanted = _conda_file(with_conda_file(environment, self._folder / "contexts"))
        except BuildError as error:
            log.write(f"{error.explanation}\n")
            raise
        python = wanted.python or f"=={'.'.join(platform.python_version_tuple()[:2])}.*"
        key = content_hash(_FORMAT, python, wanted.requirements, wanted.options)
        place = self._folder / key
        log.write(f"Environment {environment.name}:{environment.version}, kept as {place.name}\n")
        log.writelines(f"Note: {without_credentials(note)}\n" for note in wanted.notes)
        log.flush()
        facts = self._environments.obtain(
            key,
            log,
            find=lambda: _complete(place),
            build=lambda: self._build(place, wanted, python, log),
        )
        notes = (*wanted.notes, *facts["notes"])
        return Interpreter(
            bin=place / "bin",
            variables={"VIRTUAL_ENV": str(place), **wanted.variables},
            notes=_worth_telling(notes),
        )

    def close(self) -> None:
        """End the builds that are under way; their callers get a BuildError."""
        self._uv.close()

    def _build(self, place: Path, wanted: CondaFile, python: str, log: TextIO) -> dict[str, Any]:
        shutil.rmtree(place, ignore_errors=True)
        notes = self._make(place, python, log)
        if wanted.requirements:
            file = place / "requirements.txt"
            self._uv.install(place, file, wanted.requirements, wanted.options, log)
        facts = {"notes": notes}
        mark_complete(place, facts)
        return facts

    def _make(self, place: Path, python: str, log: TextIO) -> tuple[str, ...]:
        notes: tuple[str, ...] = ()
        interpreter = self._installed(python)
        minor = re.search(r"\d+\.\d+", python)
        if interpreter is None and minor:
            interpreter = self._installed(minor[0])
            if interpreter is not None:
                notes = (f"No Python {python} is installed here; {interpreter} is used.",)
                log.write(f"Note: {notes[0]}\n")
        # Conda's Python comes with pip, setuptools and wheel too.
        create = ["venv", "--seed", "--python", interpreter or python, str(place)]
        try:
            self._uv.run(create, log)
        except BuildError:
            if interpreter is not None:
                raise
            missing = (
                f"There is no Python {python} on this machine, and uv may not or cannot download "
                f"one. Found: {self._pythons()}. Install one, or ask for another version in the "
                "conda file."
            )
            log.write(f"{missing}\n")
            raise BuildError(missing) from None
        return notes

    def _installed(self, request: str) -> str | None:
        try:
            printed = self._uv.run(
                ["python", "find", "--system", request], io.StringIO(), offline_pythons=True
            )
        except BuildError:
            return None
        return printed.strip().splitlines()[-1]

    def _pythons(self) -> str:
        try:
            printed = self._uv.run(
                ["python", "list", "--only-installed"], io.StringIO(), offline_pythons=True
            )
        except BuildError:
            return "none"
        versions = dict.fromkeys(re.findall(r"(?m)^[a-z]+-(\d[\w.]*)-", printed))
        return ", ".join(versions) or "none"


def _conda_file(environment: EnvironmentSpec) -> CondaFile:
    if not environment.conda_file:
        raise BuildError(
            f"The environment '{environment.name}:{environment.version}' {_kind(environment)}, "
            "and the emulator's runtime 'venv' cannot run containers. Give the environment a "
            "conda_file, or start the emulator with the runtime 'host', which runs every job in "
            "its own Python, or 'docker', which does run containers."
        )
    try:
        return read_conda_file(environment.conda_file, environment.pip_folder)
    except CondaFileError as error:
        raise BuildError(str(error)) from None


def _kind(environment: EnvironmentSpec) -> str:
    if environment.build:
        return "is a Docker build context"
    if environment.image:
        return f"is the image '{environment.image}' alone"
    return "has no conda file"


def _complete(place: Path) -> dict[str, Any] | None:
    # The Python an environment was made from may have been uninstalled since.
    return complete_facts(place) if (place / "bin" / "python").exists() else None


def _worth_telling(notes: tuple[str, ...]) -> tuple[str, ...]:
    # Nearly every conda file names channels; that they are not used is for the log alone.
    return tuple(
        without_credentials(note) for note in notes if not note.startswith("The channels ")
    )
