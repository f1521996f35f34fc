"""The program as it is called: exit codes, Ctrl-C, and what a terminal shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX"),
]
PROGRAM = [sys.executable, "-m", "mlflow_azureml_backend.cli"]


def test_the_exit_code_is_the_jobs(in_world):
    def code(*arguments: str) -> int:
        return subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False).returncode

    assert code("wait", "broken", "--json") == 1
    assert code("wait") == 2


def test_ctrl_c_ends_the_command_and_not_the_job(in_world):
    in_world.submit("watched", "echo started; sleep 600")
    in_world.advance("watched", "Running")
    with subprocess.Popen(
        [*PROGRAM, "logs", "-f", "watched"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "The job goes on. Follow it with: mlflow-azureml logs -f watched" in errors
    assert "Traceback" not in errors
    assert in_world.advance("watched", "Running") == "Running"
    in_world.connection.arm(
        "POST", "/jobs/watched/cancel", api_version="2024-04-01", doing="cancelling"
    )


def test_a_terminal_gets_a_table_and_a_progress_bar(in_world):
    listed = on_terminal("list", "--experiment", "here")
    assert "RUN" in listed
    assert "DURATION" in listed
    assert in_world.runs["trained"] in listed
    shown = on_terminal("download", "trained", "--dest", "here")
    assert "MiB" in shown
    assert "are in here" in shown


def on_terminal(*arguments: str) -> str:
    """Call the program on a pseudo-terminal of 140 columns and give all that it wrote there."""
    import pty

    ours, theirs = pty.openpty()
    environ = {**os.environ, "COLUMNS": "140", "TERM": "xterm"}
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # what Linux says when the other side is closed
                break
            if not piece:
                break
            written += piece
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()
