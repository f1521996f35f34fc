"""Run a program to its end or to a time limit, with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LIMIT_SECONDS = 900.0
"""How long a solver may take: conda needs minutes for a large environment, but not so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Hold what a program left."""

    returncode: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    seconds: float = LIMIT_SECONDS,
) -> Ended:
    """Run a program that asks for nothing.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environ: Its variables.
        seconds: How long it may take.

    Raises:
        LockError: It took too long and was ended, with all that it had started.
    """
    process = subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise LockError(
                f"The environment could not be locked: {command[0]} did not come to an end in "
                f"{seconds:.0f} s. Pin more of its packages, or name fewer channels."
            ) from None
        raise
    return Ended(returncode=process.returncode, stdout=stdout, stderr=stderr)


def _end(process: subprocess.Popen[str]) -> None:
    # Its children hold the pipes too: without them the reading below would never end.
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()
