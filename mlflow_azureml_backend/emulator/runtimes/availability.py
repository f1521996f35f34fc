"""Whether a runtime can run here, found out before the first job asks for it."""

from __future__ import annotations

import importlib.util
import os
from typing import Final

RUNTIMES: Final = ("venv", "conda", "docker", "host")
"""What the emulator's settings may name."""

_PACKAGES: Final = {
    "venv": ("uv", "uv"),
    "conda": ("rattler", "py-rattler"),
    "docker": ("docker",) * 2,
}
"""The module that has to be there for a runtime, and the package it comes with."""


class RuntimeUnavailableError(ValueError):
    """Say why a runtime cannot run here, and what to do about it."""


def require_available(name: str) -> None:
    """Make sure that a runtime has on this machine what it needs.

    Args:
        name: the runtime.

    Raises:
        RuntimeUnavailableError: there is no runtime of that name, a package is not installed, or no
            Docker Engine answers.
    """
    if name not in RUNTIMES:
        raise RuntimeUnavailableError(
            f"There is no runtime '{name}'; there are {', '.join(RUNTIMES)}."
        )
    module, package = _PACKAGES.get(name, (None, None))
    if module is not None and importlib.util.find_spec(module) is None:
        extras = "emulator" if name == "venv" else f"emulator,{name}"
        raise RuntimeUnavailableError(
            f"The runtime '{name}' needs the package {package}, which is not installed: "
            f"pip install 'mlflow-azureml-backend[{extras}]'"
        )
    if name == "docker":
        from mlflow_azureml_backend.emulator.runtimes.docker_engine import Engine

        with Engine.of(os.environ).connected():
            pass
