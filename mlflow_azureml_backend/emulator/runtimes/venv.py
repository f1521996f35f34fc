"""The runtime that builds each environment's conda file as a Python virtual environment."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import shutil
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError, Interpreter
from mlflow_azureml_backend.emulator.runtimes.conda_file import CondaFileError, read_conda_file
from mlflow_azureml_backend.emulator.runtimes.uv import Uv, without_credentials

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec
    from mlflow_azureml_backend.emulator.runtimes.conda_file import CondaFile

_FORMAT: Final = 1
"""Raised when environments are built in another way, so that old ones are not taken for new."""

_COMPLETE: Final = "emulator-complete.json"


class VenvRuntime:
    """Build environments with uv and keep them, one for each content.

    Any number of jobs may ask for the same environment at once: one builds it, all get it, or all
    get its error. A build that was cut off is not mistaken for a whole one: a virtual environment
    cannot be moved into place, so a file that is written last marks it as complete.

    Args:
        folder: where the environments are kept.
    """

    name: ClassVar[str] = "venv"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._uv = Uv(folder)
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[tuple[str, ...]]] = {}

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Build an environment, or find it built; blocks until it is there.

        Args:
            environment: what is asked for; only its conda file can be met.
            log: where the build tells what it does.

        Raises:
            BuildError: it has no conda file, or cannot be solved or installed.
        """
        try:
            wanted = _conda_file(environment)
        except BuildError as error:
            log.write(f"{error.explanation}\n")
            raise
        python = wanted.python or f"=={'.'.join(platform.python_version_tuple()[:2])}.*"
        place = self._folder / _content_hash(wanted, python)
        log.write(f"Environment {environment.name}:{environment.version}, kept as {place.name}\n")
        log.writelines(f"Note: {without_credentials(note)}\n" for note in wanted.notes)
        log.flush()
        notes = (*wanted.notes, *self._built(place, wanted, python, log))
        return Interpreter(
            bin=place / "bin", variables={"VIRTUAL_ENV": str(place)}, notes=_worth_telling(notes)
        )

    def close(self) -> None:
        """End the builds that are under way; their callers get a BuildError."""
        self._uv.close()

    def _built(self, place: Path, wanted: CondaFile, python: str, log: TextIO) -> tuple[str, ...]:
        with self._lock:
            complete = _complete(place)
            if complete is not None:
                log.write("It is built already.\n")
                return complete
            result = self._under_way.get(place.name)
            builds = result is None
            if result is None:
                result = self._under_way[place.name] = Future()
        if builds:
            self._build_for_all(place, wanted, python, log, result)
            return result.result()
        log.write("It is being built for another job; waiting for that.\n")
        log.flush()
        try:
            return result.result()
        except BuildError as error:
            log.write(f"{error.explanation}\n")
            raise

    def _build_for_all(
        self,
        place: Path,
        wanted: CondaFile,
        python: str,
        log: TextIO,
        result: Future[tuple[str, ...]],
    ) -> None:
        try:
            notes = self._build(place, wanted, python, log)
        except BaseException as error:  # noqa: BLE001 (whoever waits gets it, this caller too)
            result.set_exception(error)
        else:
            result.set_result(notes)
        finally:
            with self._lock:
                del self._under_way[place.name]

    def _build(self, place: Path, wanted: CondaFile, python: str, log: TextIO) -> tuple[str, ...]:
        shutil.rmtree(place, ignore_errors=True)
        notes = self._make(place, python, log)
        if wanted.requirements:
            requirements = place / "requirements.txt"
            requirements.write_text("".join(f"{line}\n" for line in wanted.requirements))
            arguments = ["pip", "install", "--python", str(place / "bin" / "python")]
            self._uv.run([*arguments, *_uv_options(wanted), "-r", str(requirements)], log)
        (place / _COMPLETE).write_text(json.dumps({"notes": notes}))
        log.write("The environment is built.\n")
        log.flush()
        return notes

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
            "its own Python."
        )
    try:
        return read_conda_file(environment.conda_file)
    except CondaFileError as error:
        raise BuildError(str(error)) from None


def _kind(environment: EnvironmentSpec) -> str:
    if environment.build:
        return "is a Docker build context"
    if environment.image:
        return f"is the image '{environment.image}' alone"
    return "has no conda file"


def _content_hash(wanted: CondaFile, python: str) -> str:
    content = [_FORMAT, python, wanted.requirements, wanted.options]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _complete(place: Path) -> tuple[str, ...] | None:
    # The Python an environment was made from may have been uninstalled since.
    if not (place / "bin" / "python").exists():
        return None
    try:
        return tuple(json.loads((place / _COMPLETE).read_bytes())["notes"])
    except FileNotFoundError:
        return None


def _uv_options(wanted: CondaFile) -> list[str]:
    return ["--prerelease=allow" if option == "--pre" else option for option in wanted.options]


def _worth_telling(notes: tuple[str, ...]) -> tuple[str, ...]:
    # Nearly every conda file names channels; that they are not used is for the log alone.
    return tuple(
        without_credentials(note) for note in notes if not note.startswith("The channels ")
    )
