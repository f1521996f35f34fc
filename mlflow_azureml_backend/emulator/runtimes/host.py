"""The runtime without environments: every job runs in the emulator's own Python."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlflow_azureml_backend.emulator.runtimes import Interpreter

if TYPE_CHECKING:
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec


class HostRuntime:
    """Give every job the interpreter of the emulator; nothing is installed, nothing refused."""

    name: ClassVar[str] = "host"

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Give the emulator's interpreter, whatever is asked for."""
        log.write(
            f"Environment {environment.name}:{environment.version} is not built: the runtime "
            f"'host' runs every job in the emulator's own Python {platform.python_version()}.\n"
        )
        return Interpreter(bin=Path(sys.executable).parent)

    def close(self) -> None:
        """Do nothing: nothing is ever under way."""
