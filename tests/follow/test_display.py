"""The job's lines go to stdout as they are, everything of ours to stderr."""

import io
import sys

import pytest

from mlflow_azureml_backend.follow import LogLine, SilentDisplay
from mlflow_azureml_backend.follow.console import ConsoleDisplay, clock
from mlflow_azureml_backend.job import JobStatus, RunOutcome


def line(text, **fields):
    return LogLine(text=text, path="user_logs/std_log.txt", **fields)


def show_everything(display):
    display.note("a [bold]note[/bold] :smile:")
    display.status(JobStatus.RUNNING, 3725)
    display.line(line("[red]data[/red]"))
    display.line(line("x", rank=3))
    display.line(line("Step [1/3]", from_build=True))
    display.outcome(RunOutcome(status=JobStatus.FAILED, error="UserError: [x]", duration=61.9))


def test_lines_go_to_stdout_and_the_rest_to_stderr_as_plain_text(capsys):
    show_everything(ConsoleDisplay())
    out, err = capsys.readouterr()
    assert out == "[red]data[/red]\n[rank 3] x\n"
    assert err.splitlines() == [
        "a [bold]note[/bold] :smile:",
        "1:02:05  Running",
        "    Step [1/3]",
        "Failed in 0:01:01",
        "UserError: [x]",
    ]


def test_an_outcome_without_duration_or_error_is_one_word(capsys):
    ConsoleDisplay().outcome(RunOutcome(status=JobStatus.COMPLETED))
    assert capsys.readouterr().err == "Completed\n"


def test_a_long_line_is_not_wrapped(capsys):
    display = ConsoleDisplay()
    display.line(line("x" * 500))
    display.note("y" * 500)
    out, err = capsys.readouterr()
    assert (out, err) == ("x" * 500 + "\n", "y" * 500 + "\n")


def test_a_terminal_that_cannot_show_a_character_does_not_end_the_run(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    ConsoleDisplay().line(line("loss ↓ é"))
    assert buffer.getvalue() == b"loss \\u2193 \\xe9\n"


def test_the_silent_display_shows_nothing(capsys):
    show_everything(SilentDisplay())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.9, "0:00:59"), (60, "0:01:00"), (3600, "1:00:00"), (360_000, "100:00:00")],
)
def test_a_duration_is_hours_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text
