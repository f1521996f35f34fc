"""A pipeline is followed as one job: its steps' logs, how they stand, and which of them failed."""

from __future__ import annotations

import dataclasses

import pytest

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.follow import Follower, LogSelection, Progress
from mlflow_azureml_backend.follow.console import ConsoleDisplay
from mlflow_azureml_backend.follow.live_region import status_text
from mlflow_azureml_backend.follow.step_lines import StepLines
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.pipeline import StepState
from tests.follow.test_follower import Clock, Recorder, ScriptedService, follow

PREPARE_LOG = "steps/prepare/user_logs/std_log.txt"
TRAIN_LOGS = [f"steps/train/user_logs/std_log_process_{rank}.txt" for rank in range(2)]


class WithoutSummary(ScriptedService):
    """A job whose run nobody can read."""

    def summary(self, job_name):
        raise NotFoundError(job_name)


def step(name, status, error=None):
    return StepState(name=name, job_name=f"{name}_job", status=JobStatus(status), error=error)


def test_a_step_is_told_once_when_it_runs_and_once_when_it_has_ended():
    lines = StepLines()

    assert list(lines.news([step("a", "Queued")])) == []
    assert list(lines.news([step("a", "Running")])) == ["Step a  Running"]
    assert lines.ended([step("b", "Running"), step("a", "Completed")]) == {"a"}
    assert list(lines.news([step("b", "Running"), step("a", "Completed")])) == [
        "Step a  Completed",
        "Step b  Running",
    ]
    assert lines.ended([step("a", "Completed"), step("c", "Canceled")]) == {"c"}
    assert list(lines.news([step("a", "Completed"), step("c", "Canceled")])) == ["Step c  Canceled"]


def test_the_lines_of_each_step_say_whose_they_are(capsys):
    files = {PREPARE_LOG: b"one\n", TRAIN_LOGS[1]: b"two\n", "steps/train/user_logs/x.txt": b"y\n"}
    service = WithoutSummary(
        ("Running", files), ("Completed", files), steps=(step("prepare", "Completed"),)
    )
    clock = Clock()
    service.clock = clock

    Follower(service, "job_1", ConsoleDisplay(), pause=clock.pause, clock=clock).follow(
        lambda _details: None
    )

    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == [
        "[prepare] one",
        "[train rank 1] two",
        "[train user_logs/x.txt] y",
    ]
    assert shown.err.splitlines() == ["0:00:00  Running", "Step prepare  Completed"]


def test_the_end_of_a_step_comes_after_its_last_line_and_before_the_next_step():
    class Telling(Recorder):
        def line(self, line):
            self.notes.append(f"{line.step}: {line.text}")

    class Stepping(ScriptedService):
        def details(self, job_name, *, brief=False):
            found = super().details(job_name, brief=brief)
            steps = [step("prepare", "Running")]
            if self.looks > 1:
                steps = [step("prepare", "Completed"), step("fit", "Running")]
            return dataclasses.replace(found, steps=tuple(steps))

    said = {PREPARE_LOG: b"one\n"}
    more = {PREPARE_LOG: b"one\ntwo\nthree\nfour\n", "steps/fit/user_logs/std_log.txt": b"x\n"}
    clock, display = Clock(), Telling()
    service = Stepping(("Running", said), ("Running", more), ("Completed", more))
    service.clock = clock

    Follower(service, "job_1", display, pause=clock.pause, clock=clock).follow(lambda _: None)

    assert display.notes == [
        "Step prepare  Running",
        *(f"prepare: {text}" for text in ("one", "two", "three", "four")),
        "Step prepare  Completed",
        "Step fit  Running",
        "fit: x",
    ]


def test_a_failed_pipeline_names_the_step_its_exit_code_and_its_last_lines():
    error = (
        "Step 'train' failed: UserScriptException: Execution failed. Process exited with status "
        "code 3. Please check log file 'user_logs/std_log_process_1.txt' for error details."
    )
    logs = {PREPARE_LOG: b"Error: of no importance\n"}
    logs |= {path: f"of rank {rank}\n".encode() for rank, path in enumerate(TRAIN_LOGS)}
    service = ScriptedService(
        ("Failed", logs),
        most=1000,
        error=error,
        steps=(step("prepare", "Completed"), step("train", "Failed")),
    )

    outcome, display = follow(service, Clock())

    assert (outcome.step, outcome.rank, outcome.exit_code) == ("train", 1, 3)
    assert outcome.last_lines == ("of rank 1",)
    assert isinstance(display, Recorder)


def test_the_end_tells_whose_last_lines_they_are(capsys):
    service = ScriptedService(
        ("Failed", {PREPARE_LOG: b"oops\n"}), error="x", steps=(step("prepare", "Failed"),)
    )
    outcome, _ = follow(service, Clock())
    ConsoleDisplay().outcome(outcome)

    assert "The last 1 lines of step prepare:" in capsys.readouterr().err


def test_the_status_line_tells_how_the_steps_stand():
    progress = Progress(
        status=JobStatus.RUNNING,
        elapsed=61.0,
        steps=(step("prepare", "Completed"), step("train", "Running")),
    )

    assert status_text(progress) == "0:01:01  Running: prepare Completed, train Running"


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (LogSelection(), [PREPARE_LOG, *TRAIN_LOGS]),
        (LogSelection(ranks=(1,)), [TRAIN_LOGS[1]]),
        (LogSelection(files=("steps/train/user_logs/*",)), TRAIN_LOGS),
        (LogSelection(files=("user_logs/std_log.txt",)), [PREPARE_LOG]),
        (LogSelection(system=True), [PREPARE_LOG, *TRAIN_LOGS, "steps/train/system_logs/a.txt"]),
    ],
)
def test_lines_of_steps_are_chosen_as_those_of_a_job_are(selection, wanted):
    files = [PREPARE_LOG, *TRAIN_LOGS, "steps/train/system_logs/a.txt"]

    assert [path for path in files if selection.wants(path)] == wanted
