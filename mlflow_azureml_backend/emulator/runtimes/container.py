"""The program that stands for a container on this machine, for as long as the container runs.

It prints what the container prints and ends with its status code. A process of its own, it
outlives the emulator that started it, as any process of a job does; SIGTERM ends the container.
Should it be killed, the lock that it holds is free, by which an emulator knows that nobody waits
for the container any more.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.runtimes.availability import RuntimeUnavailableError
from mlflow_azureml_backend.emulator.runtimes.docker_engine import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

# Less than a job that is to end has before it is killed, this program included.
_GRACE_SECONDS: Final = 8
# Docker's own program has these for what keeps a container from starting, and for a missing bash.
_NOT_STARTED: Final = 125
_NO_BASH: Final = 127
_BASH_MISSING: Final = (
    "The image has no program 'bash', by which Azure ML runs the commands of jobs."
)
_TAIL: Final = 200
_DAC_OVERRIDE: Final = 1 << 1
_TERMINATED: Final = 128 + signal.SIGTERM


def main(file: str) -> int:
    """Run a container to its end.

    Args:
        file: says what it is to be; is removed.

    Returns:
        The container's status code; 125 when it cannot be started, 127 when its image has no bash.
    """
    spec = json.loads(Path(file).read_bytes())
    Path(file).unlink()
    if "refusal" in spec:
        return _say(spec["refusal"], _NOT_STARTED)
    with Path(spec["lock"]).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with Engine(variables=spec["engine"]).connected(seconds=None) as client:
                return _run(client, spec)
        except RuntimeUnavailableError as error:
            return _say(str(error), _NOT_STARTED)


def _run(client: docker.DockerClient, spec: Mapping[str, Any]) -> int:
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    asked_to_end = threading.Event()
    started = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())
    try:
        container = _created(client, spec)
    except APIError as error:
        return _say(f"The container cannot be made: {error.explanation}", _NOT_STARTED)
    ending = threading.Thread(
        target=_end_when_asked, args=(client, container, asked_to_end, started), daemon=True
    )
    ending.start()
    try:
        output = client.api.attach(container, stdout=True, stderr=True, stream=True)
        if asked_to_end.is_set():
            return _TERMINATED
        client.api.start(container)
        started.set()
        last = b""
        for piece in output:
            _print(piece)
            last = (last + piece)[-_TAIL:]  # a line may come in several pieces
        code = int(client.api.wait(container)["StatusCode"])
        return (
            _say(_BASH_MISSING, code) if b"exec bash failed" in last and code == _NO_BASH else code
        )
    except APIError as error:
        text = str(error.explanation)
        if '"bash"' in text:
            return _say(_BASH_MISSING, _NO_BASH)
        return _say(f"The container cannot be started: {text}", _NOT_STARTED)
    except (DockerException, RequestException) as error:
        return _say(f"The Docker Engine went away: {error}", _NOT_STARTED)
    finally:
        _remove(client, container)


def _created(client: docker.DockerClient, spec: Mapping[str, Any]) -> str:
    api = client.api
    made = api.create_container(
        spec["image"],
        entrypoint=["bash"],
        # In one stream, so that what it prints to both keeps its order.
        command=["-c", 'exec bash -c "$0" 2>&1', spec["command"]],
        user=spec["user"],
        working_dir=spec["directory"],
        environment=spec["variables"],
        labels=spec["labels"],
        host_config=api.create_host_config(**spec["host"], cap_drop=_powers_given_up()),
        use_config_proxy=False,
    )
    return str(made["Id"])


def _powers_given_up() -> list[str]:
    """Give the powers that a root of this process is without, and its container is to be too.

    What a job may only read is closed to it by permissions, and this program is started without
    the power to pass over them.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    bounds = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    return [] if int(bounds.split()[1], 16) & _DAC_OVERRIDE else ["DAC_OVERRIDE"]


def _end_when_asked(
    client: docker.DockerClient, container: str, asked: threading.Event, started: threading.Event
) -> None:
    from docker.errors import APIError

    asked.wait()
    started.wait()
    try:
        client.api.stop(container, timeout=_GRACE_SECONDS)
    except APIError:  # it has ended by itself
        return


def _remove(client: docker.DockerClient, container: str) -> None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client.api.remove_container(container, force=True, v=True)
    except (DockerException, RequestException) as error:
        _say(f"The container {container[:12]} was not removed: {error}", 0)


def _print(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(sys.stdout.fileno(), piece) :]


def _say(text: str, code: int) -> int:
    _print(f"{text}\n".encode())
    return code
