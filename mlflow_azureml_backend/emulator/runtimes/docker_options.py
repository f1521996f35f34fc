"""The options of `docker run` that a job may ask for in its resources' `docker_args`."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

_NANO: Final = 1_000_000_000
_GPUS: Final = {
    "Driver": "",
    "Count": -1,
    "DeviceIDs": [],
    "Capabilities": [["gpu"]],
    "Options": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerOptions:
    """Hold what a job asks of its container.

    Args:
        host: arguments of docker-py's `create_host_config`.
        variables: variables set in the container.
    """

    host: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def parse_docker_options(text: str, *, shm_size: str | None = None) -> DockerOptions:
    """Read the options.

    Args:
        text: the options, as on a command line.
        shm_size: the size of the shared memory, where the options say nothing of it.

    Raises:
        ValueError: an option is unknown or has a wrong value; says which there are.
    """
    parser = _options()
    try:
        found = parser.parse_args(shlex.split(text))
        pairs = [pair.partition("=") for pair in found.env]
        if bare := [name for name, equals, _ in pairs if not equals]:
            raise ValueError(f"--env {bare[0]} needs a value: NAME=VALUE")  # noqa: TRY301
        ulimits = [_ulimit(text) for text in found.ulimit]
    except ValueError as error:
        known = ", ".join(
            action.option_strings[0]
            for action in parser._actions  # noqa: SLF001
        )
        raise ValueError(
            f"The job's docker_args cannot be used: {error}. The emulator knows: {known}."
        ) from None
    host = {
        "nano_cpus": None if found.cpus is None else int(found.cpus * _NANO),
        "cpuset_cpus": found.cpuset_cpus,
        "mem_limit": found.memory,
        "memswap_limit": found.memory_swap,
        "shm_size": found.shm_size or shm_size,
        "ipc_mode": found.ipc,
        "pid_mode": found.pid,
        "cap_add": found.cap_add,
        "privileged": found.privileged,
        "ulimits": ulimits,
        "binds": found.volume,
        "device_requests": [_GPUS] if found.gpus else None,
    }
    return DockerOptions(
        host={name: value for name, value in host.items() if value},
        variables={name: value for name, _, value in pairs},
    )


def _options() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cpus", type=float)
    parser.add_argument("--cpuset-cpus")
    parser.add_argument("--memory", "-m")
    parser.add_argument("--memory-swap")
    parser.add_argument("--shm-size")
    parser.add_argument("--ipc")
    parser.add_argument("--pid", choices=["host"])
    # Its only network: the emulator listens on the machine's loopback address.
    parser.add_argument("--network", "--net", choices=["host"])
    parser.add_argument("--cap-add", action="append", default=[])
    parser.add_argument("--privileged", action="store_true")
    parser.add_argument("--ulimit", action="append", default=[])
    parser.add_argument("--env", "-e", action="append", default=[])
    parser.add_argument("--volume", "-v", action="append", default=[])
    parser.add_argument("--gpus", choices=["all"])
    return parser


def _ulimit(text: str) -> dict[str, Any]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise ValueError(f"--ulimit {text} is not NAME=SOFT[:HARD]") from None
