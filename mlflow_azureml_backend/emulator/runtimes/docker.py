"""The runtime that runs jobs in containers of their environments' images."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from mlflow_azureml_backend.emulator.private_files import write_private
from mlflow_azureml_backend.emulator.runtimes import BuildError, Interpreter
from mlflow_azureml_backend.emulator.runtimes.availability import RuntimeUnavailableError
from mlflow_azureml_backend.emulator.runtimes.docker_engine import (
    LOCK_LABEL,
    ROOT_LABEL,
    Engine,
    has_init,
    owner,
    remove_leftovers,
)
from mlflow_azureml_backend.emulator.runtimes.docker_images import Images, explained
from mlflow_azureml_backend.emulator.runtimes.docker_options import parse_docker_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec, Placement

_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
# The current directory, which is the job's own code, is no place to import from.
_RUNNER: Final = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
from mlflow_azureml_backend.emulator.runtimes.container import main
sys.exit(main(sys.argv[1]))
"""


@dataclass(frozen=True, kw_only=True)
class ContainerInterpreter(Interpreter):
    """Run commands in containers of one image.

    Args:
        image: the image's id.
        engine: where the containers run.
        root: the emulator's state directory.
        user: whom they run as, as `uid:gid`.
        init: their first process passes signals on.
    """

    image: str
    engine: Engine
    root: Path
    user: str
    init: bool

    def argv(self, command: str, placement: Placement) -> tuple[str, ...]:
        """Give the program that runs a command in a container, and ends as it ends.

        What the container is to be is left in a file that only this user can read and that the
        program removes: the variables of a job hold tokens, and command lines are seen by all.

        Args:
            command: what the image's bash is to run.
            placement: where it runs; its folder is the container's, under the same path.
        """
        lock = placement.folder / f"{placement.name}.lock"
        spec = {
            "engine": dict(self.engine.variables),
            "lock": str(lock),
            "image": self.image,
            "command": command,
            "user": self.user,
            "directory": str(placement.directory),
            "labels": {ROOT_LABEL: str(self.root), LOCK_LABEL: str(lock)},
        }
        try:
            options = parse_docker_options(placement.docker_args or "", shm_size=placement.shm_size)
        except ValueError as error:
            spec["refusal"] = str(error)
        else:
            variables = {**placement.variables, **options.variables}
            if self.init:
                # A signal for a job is for all its processes, as without a container.
                variables["TINI_KILL_PROCESS_GROUP"] = "1"
            mounts = [f"{placement.folder}:{placement.folder}", *self._certificates(variables)]
            spec["variables"] = variables
            spec["host"] = {
                **options.host,
                "binds": [*mounts, *options.host.get("binds", ())],
                "network_mode": "host",
                "init": self.init,
                "security_opt": ["label=disable"],
                # What it prints is read as it comes; the engine need not keep it too.
                "log_config": {"Type": "none", "Config": {}},
            }
        file = placement.folder / f"{placement.name}.container.json"
        write_private(file, json.dumps(spec).encode())
        program = shutil.which("env") or "/usr/bin/env"
        # Nothing that the job sets may have an effect on a program of this machine.
        clean = [f"{name}={value}" for name, value in _own_variables().items()]
        return (program, "-i", *clean, sys.executable, "-c", _RUNNER, str(file))

    def _certificates(self, variables: Mapping[str, str]) -> list[str]:
        """Mount the certificates of the emulator where the job is told that they are."""
        files = {variables[name] for name in _CERTIFICATES if variables.get(name)}
        return [f"{file}:{file}:ro" for file in files if Path(file).is_relative_to(self.root)]


class DockerRuntime:
    """Run jobs in containers, on a Docker Engine of this machine.

    Args:
        folder: a folder below the emulator's state directory; nothing is kept there.

    Raises:
        RuntimeUnavailableError: no engine answers.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, folder: Path) -> None:
        self._root = folder.parent
        self._engine = Engine.of(os.environ)
        self._images = Images()
        with self._engine.connected() as client:
            info = client.info()
            self._user, self._init = owner(info), has_init(info)
            remove_leftovers(client, self._root)

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Have an environment's image ready; blocks until it is there.

        Args:
            environment: what is asked for.
            log: where the build tells what it does.

        Raises:
            BuildError: the image cannot be had, or the engine does not answer any more.
        """
        log.write(f"Environment {environment.name}:{environment.version}\n")
        try:
            with self._engine.connected(seconds=None) as client, explained(log):
                remove_leftovers(client, self._root)
                image = self._images.image_of(client, environment, log)
                config = client.images.get(image).attrs["Config"] or {}
        except RuntimeUnavailableError as error:
            log.write(f"{error}\n")
            raise BuildError(str(error)) from None
        variables = dict(text.partition("=")[::2] for text in config.get("Env") or ())
        path = variables.get("PATH") or _SYSTEM_PATH
        return ContainerInterpreter(
            bin=Path(path.partition(":")[0]),
            variables={"PATH": path},
            image=image,
            engine=self._engine,
            root=self._root,
            user=self._user,
            init=self._init,
        )

    def close(self) -> None:
        """End the builds that are under way, at their next line; containers go on."""
        self._images.close()


def _own_variables() -> dict[str, str]:
    names = ("HOME", "PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ}
