"""Ctrl-C, SIGTERM and a terminal that is closed, while `mlflow run` follows a job."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from mlflow_azureml_backend import attach

if sys.platform == "win32":
    pytest.skip("Windows has no such terminals", allow_module_level=True)

from tests.end_to_end.clients import Clients

PROJECT = Path(__file__).parent / "projects" / "waiting"
CTRL_C = b"\x03"
SECONDS = 100


class Terminal:
    """The side of a pseudo-terminal where the person sits."""

    def __init__(self):
        self.keyboard, self.inside = os.openpty()
        self.screen = ""

    def shows(self, pattern: str) -> str:
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.screen)):
            ready, _, _ = select.select(
                [self.keyboard], [], [], max(0, deadline - time.monotonic())
            )
            assert ready, f"{pattern!r} is not on the screen:\n{self.screen}"
            self.screen += os.read(self.keyboard, 65536).decode().replace("\r\n", "\n")
        return found[0]

    def press(self, key: bytes) -> None:
        os.write(self.keyboard, key)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    os.close(terminal.inside)


@pytest.fixture
def following(client, azureml_emulator, terminal, tmp_path):
    """Start `mlflow run` in the terminal and wait until the job's first line is on it."""
    started = []

    def start(**config):
        file = tmp_path / "backend.json"
        file.write_text(json.dumps({**azureml_emulator.backend_config, **config}))
        process = Clients(tmp_path, dict(os.environ)).mlflow(
            *("run", str(PROJECT), "--backend", "azureml", "--experiment-name", "sample"),
            *("--backend-config", str(file)),
            terminal=os.ttyname(terminal.inside),
        )
        started.append(process)
        terminal.shows(r"(?m)^started$")
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def ended(process) -> int:
    process.join(SECONDS)
    return process.exitcode


@pytest.fixture
def left_running(runs):
    """Check that the job goes on and can be taken up again; end it."""

    def check(screen: str) -> None:
        [run] = runs()
        assert run.info.status == "RUNNING"
        assert f"mlflow-azureml logs -f {run.info.run_id}" in screen
        again = attach(run.info.run_id)
        assert again.get_status() == "RUNNING"
        again.cancel()
        assert runs()[0].info.status == "KILLED"

    return check


def test_ctrl_c_cancels_and_a_second_one_leaves_at_once(
    following, terminal, azureml_emulator, left_running
):
    process = following()
    azureml_emulator.faults.add(route="POST */cancel", status=503)
    terminal.press(CTRL_C)
    terminal.shows("Cancelling job waiting_")
    terminal.press(CTRL_C)
    began = time.monotonic()
    terminal.shows("Detached: job waiting_.* is being cancelled")
    assert ended(process) == 1
    assert time.monotonic() - began < 10
    terminal.shows("Aborted!")
    azureml_emulator.faults.clear()
    left_running(terminal.screen)


@pytest.mark.slow
def test_ctrl_c_waits_until_the_job_is_canceled_and_shows_each_line_once(following, terminal, runs):
    process = following()
    terminal.press(CTRL_C)
    terminal.shows("Canceled")
    terminal.shows("Aborted!")
    assert ended(process) == 1
    assert len(re.findall(r"(?m)^started$", terminal.screen)) == 1
    assert runs()[0].info.status == "KILLED"


@pytest.mark.campaign
def test_ctrl_c_leaves_the_job_where_the_config_says_so(following, terminal, left_running):
    process = following(on_interrupt="detach")
    terminal.press(CTRL_C)
    terminal.shows("Detached: job waiting_.* is running on.*\n?.*logs -f \\w{32}")
    assert ended(process) == 1
    assert "Traceback" not in terminal.screen
    left_running(terminal.screen)


@pytest.mark.campaign
def test_a_ci_runner_that_terminates_the_client_leaves_the_job(following, terminal, left_running):
    process = following()
    os.kill(process.pid, signal.SIGTERM)
    terminal.shows("Detached: job waiting_.* is running on.*\n?.*logs -f \\w{32}")
    assert ended(process) == 128 + signal.SIGTERM
    left_running(terminal.screen)


@pytest.mark.campaign
def test_a_terminal_that_is_closed_leaves_the_job(following, terminal, runs):
    process = following()
    os.close(terminal.keyboard)
    assert ended(process) != 0  # which code, Python decides that cannot write to its stderr
    [run] = runs()
    again = attach(run.info.run_id)
    assert (run.info.status, again.get_status()) == ("RUNNING", "RUNNING")
    again.cancel()
