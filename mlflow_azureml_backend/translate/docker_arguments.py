"""`mlflow run --docker-args`, in Azure ML's words."""

from __future__ import annotations

import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import ResourcesSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATA = (
    "the job does not see this machine's folders; name the data in `inputs` of the backend config, "
    "or pass it as a parameter of type path"
)
_VARIABLES = "set `environment_variables` in the backend config"
_COMPUTE = "the compute decides; choose it with `compute` in the backend config"
_SERVICE = "Azure ML starts the container and sets this itself; leave it out"

# What Azure ML sets itself, or what cannot work where it runs the container.
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("v", "volume", "mount", "volumes-from", "tmpfs"), _DATA),
        **dict.fromkeys(("e", "env", "env-file"), _VARIABLES),
        **dict.fromkeys(("gpus", "runtime", "platform", "device"), _COMPUTE),
        **dict.fromkeys(
            (
                *("a", "attach", "cidfile", "d", "detach", "entrypoint", "i", "interactive"),
                *("l", "label", "name", "net", "network", "p", "privileged", "publish", "pull"),
                *("restart", "rm", "t", "tty", "u", "user", "w", "workdir"),
            ),
            _SERVICE,
        ),
    }
)


def resources_from_docker_args(arguments: Mapping[str, str | bool]) -> ResourcesSpec:
    """Translate what MLflow would give to `docker run`.

    Args:
        arguments: Name without dashes -> value, or True for a flag.

    Raises:
        ConfigError: Azure ML does not let a job choose one of them.
    """
    refused = [f"{_option(name)}: {_REFUSED[name]}" for name in arguments if name in _REFUSED]
    if refused:
        raise ConfigError(f"--docker-args (-A): {'; '.join(refused)}.")
    shm_size = arguments.get("shm-size")
    rest = [
        _option(name) if value is True else f"{_option(name)} {shlex.quote(str(value))}"
        for name, value in arguments.items()
        if name != "shm-size"
    ]
    return ResourcesSpec(
        shm_size=None if shm_size is None else str(shm_size), docker_args=" ".join(rest) or None
    )


def _option(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"
