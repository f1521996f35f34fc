"""The process that outlives its client runs the command and says how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.local_run.failure import failure_text
from mlflow_azureml_backend.local_run.folder import Ending, Request, RunFolder
from mlflow_azureml_backend.local_run.outputs import changed_outputs, seen_outputs
from mlflow_azureml_backend.local_run.service import status_of
from mlflow_azureml_backend.local_run.supervisor import (
    see_to_completion,
    start_supervisor,
    supervise,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are a shell's")


@pytest.fixture
def started(tmp_path):
    """Give the folder of a run whose command is under a real supervisor."""

    def start(command: str, **options) -> RunFolder:
        folder = RunFolder(tmp_path / "run")
        folder.create(
            Request(
                arguments=["bash", "-c", command],
                working_folder=str(tmp_path),
                started=time.time(),
                **options,
            )
        )
        start_supervisor(folder, dict(os.environ), dict(os.environ))
        return folder

    return start


def until(condition, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    return found


def test_both_streams_and_the_exit_code_are_kept(started):
    folder = started("echo out; echo error >&2; exit 3")

    ending = until(folder.ending)

    assert (ending.exit_code, ending.canceled) == (3, False)
    assert folder.log.read_text() == "out\nerror\n"
    assert until(lambda: not folder.is_supervised)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process can leave its tree")
@pytest.mark.parametrize(
    "manners", ["true", pytest.param("trap '' TERM", marks=pytest.mark.campaign, id="deaf")]
)
def test_a_cancelled_command_ends_with_all_that_it_started(started, tmp_path, manners):
    folder = started(
        f'echo $$ > first; (setsid bash -c "{manners}; echo \\$\\$ > second; sleep 600" &)'
        "; sleep 600 & echo $! > third; wait"
    )
    pids = [
        int(until(lambda name=name: (tmp_path / name).exists() and (tmp_path / name).read_text()))
        for name in ("first", "second", "third")
    ]
    assert folder.is_supervised

    folder.request_cancel()

    assert until(folder.ending, 30).canceled
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(
        Request(
            arguments=["sleep", "600"],
            working_folder=str(tmp_path),
            started=time.time() - 10,
            timeout=5,
        )
    )

    ending = supervise(folder, dict(os.environ), threading.Event())

    assert ending.canceled
    assert ending.exit_code == -signal.SIGTERM
    assert "longer than 5 seconds (limits.timeout)" in failure_text(ending, folder.log)


def test_what_a_process_had_started_before_is_no_part_of_the_run_that_it_ends(tmp_path):
    folder, stop = RunFolder(tmp_path / "run"), threading.Event()
    folder.create(
        Request(arguments=["sleep", "600"], working_folder=str(tmp_path), started=time.time())
    )
    stop.set()

    with subprocess.Popen(["sleep", "600"]) as other:
        supervise(folder, dict(os.environ), stop)
        assert other.poll() is None
        other.kill()


def test_a_supervisor_that_is_asked_to_end_ends_its_command_first(tmp_path):
    folder, stop = RunFolder(tmp_path / "run"), threading.Event()
    folder.create(
        Request(arguments=["sleep", "600"], working_folder=str(tmp_path), started=time.time())
    )
    stop.set()

    assert "ended the run's supervisor" in supervise(folder, dict(os.environ), stop).reason


def test_a_command_that_cannot_be_started_says_why(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(
        Request(arguments=["no-such-shell"], working_folder=str(tmp_path), started=time.time())
    )

    ending = supervise(folder, dict(os.environ), threading.Event())

    assert status_of(ending) is JobStatus.FAILED
    assert ending.reason == "no-such-shell could not be started: No such file or directory"


@pytest.mark.parametrize(
    ("ending", "log", "said"),
    [
        ({"exit_code": 0}, "fine", None),
        ({"exit_code": 2}, "", "The project's command ended with exit code 2."),
        ({"exit_code": 2}, "a\nbad\n", "The project's command ended with exit code 2: bad"),
        ({"exit_code": -9}, "", "The project's command ended by signal 9."),
        (
            {"exit_code": 1},
            "a\nTraceback (most recent call last):\n  File x\nValueError: b\n",
            (
                "The project's command ended with exit code 1: ValueError: b\n"
                "Traceback (most recent call last):\n  File x\nValueError: b"
            ),
        ),
        ({"exit_code": -15, "canceled": True}, "a", None),
    ],
)
def test_a_failure_is_told_in_the_projects_own_words(tmp_path, ending, log, said):
    (tmp_path / "log").write_text(log)

    assert failure_text(Ending(ended=0, **ending), tmp_path / "log") == said


def test_outputs_that_were_there_before_are_not_this_runs(tmp_path):
    (tmp_path / "outputs").mkdir()
    for name in ("old", "written anew"):
        (tmp_path / "outputs" / name).write_text(name)
        os.utime(tmp_path / "outputs" / name, (1, 1))
    request = Request(
        arguments=[],
        working_folder=str(tmp_path),
        started=0,
        outputs_before=seen_outputs(tmp_path),
    )
    (tmp_path / "outputs" / "written anew").write_text("written anew")
    (tmp_path / "outputs" / "new").touch()

    found = [file.name for file in changed_outputs(request)]

    assert found == ["outputs/new", "outputs/written anew"]


def test_a_run_that_was_given_up_leaves_no_process(started, tmp_path):
    folder = started("echo $$ > pid; sleep 600")
    pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))

    folder.remove()

    assert until(lambda: not Path(f"/proc/{pid}").exists() or sys.platform != "linux")


def test_a_run_that_nobody_completes_is_completed_by_its_supervisor(started, tmp_path):
    done = tmp_path / "completed"
    started("true", completion=["touch", str(done)], patience=0.3)

    assert until(done.exists)


def test_a_run_that_somebody_completes_is_left_to_them(tmp_path):
    folder, done = RunFolder(tmp_path / "run"), tmp_path / "completed"
    folder.create(
        Request(
            arguments=[],
            working_folder="",
            started=0,
            completion=["touch", str(done)],
            patience=0.3,
        )
    )
    seeing = threading.Thread(target=see_to_completion, args=(folder,))
    with folder.claimed():
        seeing.start()
        seeing.join(0.8)
        assert seeing.is_alive()
        folder.remove()
    seeing.join(10)

    assert not seeing.is_alive()
    assert not done.exists()


def test_one_process_completes_a_run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(Request(arguments=[], working_folder="", started=0))
    did = []

    def complete() -> None:
        with folder.claimed() as to_do:
            if to_do:
                did.append(threading.current_thread())
                folder.remove()

    threads = [threading.Thread(target=complete) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(did) == 1
    assert not folder.path.exists()
