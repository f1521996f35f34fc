"""The process that outlives its client: it runs the project's command and writes how it ended.

    python -m mlflow_azureml_backend.local_run.supervisor FOLDER

It reads the command's variables from its stdin, since they may be secrets, which no file of the
folder holds; and says `ready` on its stdout, once nobody needs to wait for it any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.local_run.folder import Ending, RunFolder
from mlflow_azureml_backend.local_run.process_tree import adopt_orphans, children, end_tree

if TYPE_CHECKING:
    from mlflow_azureml_backend.local_run.folder import Request

READY = "ready"
_LOOK_SECONDS = 0.2


def start_supervisor(
    folder: RunFolder, environment: dict[str, str], own_environment: dict[str, str]
) -> None:
    """Start the supervisor of a run; return when it supervises.

    Args:
        folder: The run's, with what is to be run.
        environment: The variables of the project's command.
        own_environment: The supervisor's own, and those of what completes the run.

    Raises:
        RuntimeError: It did not start.
    """
    with folder.errors.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=own_environment,
            start_new_session=True,
            text=True,
        )
    if process.stdin is None or process.stdout is None:  # for who checks types
        raise RuntimeError("The run's supervisor has no pipes.")
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        json.dump(environment, stdin)
    if process.stdout.readline().strip() != READY:
        reason = folder.errors.read_text(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"The run's supervisor did not start: {''.join(reason)}")
    process.stdout.close()
    # A parent that lives on has to let go of its dead child.
    threading.Thread(target=process.wait, name="supervisor", daemon=True).start()


def supervise(folder: RunFolder, environment: dict[str, str], stop: threading.Event) -> Ending:
    """Run the command to its end.

    Args:
        folder: The run's.
        environment: The command's variables.
        stop: Set when this process is asked to end, and with it the command.
    """
    request = folder.request()
    spared = children()
    try:
        process = _started(request, folder, environment)
    except OSError as error:
        failure = f"{request.arguments[0]} could not be started: {error.strerror}"
        return Ending(ended=time.time(), reason=failure)
    while True:
        try:
            return Ending(ended=time.time(), exit_code=process.wait(_LOOK_SECONDS))
        except subprocess.TimeoutExpired:
            reason = _reason_to_end(folder, request, stop)
        if reason is not None:
            code = end_tree(process, spared=spared)
            return Ending(ended=time.time(), exit_code=code, canceled=True, reason=reason or None)


def _started(
    request: Request, folder: RunFolder, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            request.arguments,
            cwd=request.working_folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _reason_to_end(folder: RunFolder, request: Request, stop: threading.Event) -> str | None:
    """Say why the command has to end; an empty text for a cancellation, None for no reason."""
    if folder.cancel_requested:
        return ""
    if stop.is_set():
        return "The machine, or somebody on it, ended the run's supervisor, and the run with it."
    if request.timeout is not None and time.time() - request.started > request.timeout:
        return f"It ran longer than {request.timeout} seconds (limits.timeout)."
    return None


def see_to_completion(folder: RunFolder) -> None:
    """Complete the run if its client is gone and nobody else has attached to it.

    What fails here, for want of a network or a credential, is left to `attach`.

    Args:
        folder: The run's, whose command has ended.
    """
    try:
        request = folder.request()
    except FileNotFoundError:
        return  # somebody was faster
    deadline = time.monotonic() + request.patience
    while folder.exists:
        if folder.is_being_completed:
            deadline = time.monotonic() + request.patience
        elif time.monotonic() > deadline:
            if request.completion:
                subprocess.run(
                    request.completion,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    check=False,
                )
            return
        time.sleep(_LOOK_SECONDS)


def main() -> None:
    """Supervise the run of the folder that is named on the command line."""
    folder, stop = RunFolder(Path(sys.argv[1])), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    adopt_orphans()
    environment = json.load(sys.stdin)
    with folder.supervised():
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        # The pipe is closed on the other side: nothing may be written there by mistake.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        folder.end(supervise(folder, environment, stop))
    see_to_completion(folder)


if __name__ == "__main__":
    main()
