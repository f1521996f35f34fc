"""Real clients in processes of their own, forked from one that has imported MLflow already.

`mlflow run` needs several seconds of processor time to import MLflow and azure-ai-ml before its
first line of ours; a campaign of hundreds of clients would measure nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

_PRELOADED = ["mlflow.cli", "azure.ai.ml", "mlflow_azureml_backend.backend", __name__]


class Clients:
    """Start clients of one user.

    Args:
        folder: Their working directory and the place of their output.
        environment: Their environment variables.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self._count = 0

    def warm_up(self) -> None:
        """Return when the next client starts at once."""
        self.mlflow("--version").join()

    def mlflow(self, *arguments: str, terminal: str | None = None) -> BaseProcess:
        """Start the `mlflow` command, on a terminal where one is given."""
        return self._start(_mlflow, arguments, terminal)

    def attach(self, run_id: str) -> BaseProcess:
        """Start a program that attaches to a run and waits for its end."""
        return self._start(_attach, (run_id,))

    def output(self) -> str:
        """Give what the last client printed."""
        return self._output.read_text(errors="replace")

    def _start(self, program, arguments, terminal: str | None = None) -> BaseProcess:
        self._count += 1
        self._output = self._folder / f"client-{self._count}.txt"
        output = terminal or str(self._output)
        process = self._context.Process(
            target=_client,
            args=(program, arguments, str(self._folder), output, self._environment),
        )
        process.start()
        return process


def _client(program, arguments, folder: str, output: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The first terminal that the leader of a session opens is the one whose Ctrl-C it gets.
    os.setsid()
    file = os.open(output, os.O_RDWR | os.O_CREAT, 0o600)
    if os.isatty(file):
        fcntl.ioctl(file, termios.TIOCSCTTY, 0)
    for standard in (0, 1, 2):
        os.dup2(file, standard)
    # Those of the process that this one was forked from may be closed or shared.
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    program(*arguments)


def _mlflow(*arguments: str) -> None:
    from mlflow.cli import cli

    cli(list(arguments), prog_name="mlflow")


def _attach(run_id: str) -> None:
    from mlflow_azureml_backend import attach
    from mlflow_azureml_backend.errors import SubmissionError

    with contextlib.suppress(SubmissionError):
        attach(run_id).wait()
