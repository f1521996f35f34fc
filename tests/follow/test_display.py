"""The job's lines go to stdout as they are, everything of ours to stderr."""

import io
import re
import sys
from datetime import datetime, timezone

import pytest

from mlflow_azureml_backend.follow import LineKind, LogLine, Progress, SilentDisplay
from mlflow_azureml_backend.follow.console import ConsoleDisplay
from mlflow_azureml_backend.follow.control_sequences import without_colours
from mlflow_azureml_backend.follow.live_region import clock
from mlflow_azureml_backend.job import Artifact, Cause, JobStatus, RunOutcome, RunSummary


def line(text, *, path="user_logs/std_log.txt", **fields):
    return LogLine(text=text, path=path, **fields)


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
    display = ConsoleDisplay()
    display.line(line("loss ↓ é"))
    display.rest()
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


def test_nothing_but_colours_reaches_the_terminal(capsys):
    display = ConsoleDisplay()
    display.line(line("\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07 \x1bc \x07bell \x9b2J"))
    display.rest()
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m  \u241bc \u2407bell \\x9b2J\n"


def test_raw_lines_are_left_as_they_are(capsys):
    display = ConsoleDisplay(raw=True)
    display.line(line("\x1b[2J 10%\r 20%\x07"))
    display.rest()
    assert capsys.readouterr().out == "\x1b[2J 10%\r 20%\x07\n"


def test_a_colour_that_stays_open_does_not_colour_other_ranks(capsys):
    display = ConsoleDisplay()
    display.line(line("\x1b[1;31mfirst", path="user_logs/std_log_process_0.txt", rank=0))
    display.line(line("plain", path="user_logs/std_log_process_1.txt", rank=1))
    display.line(line("second\x1b[0m", path="user_logs/std_log_process_0.txt", rank=0))
    display.line(line("third", path="user_logs/std_log_process_0.txt", rank=0))
    display.rest()
    assert capsys.readouterr().out.splitlines() == [
        "[rank 0] \x1b[1;31mfirst\x1b[0m",
        "[rank 1] plain",
        "[rank 0] \x1b[1;31msecond\x1b[0m",
        "[rank 0] third",
    ]


def test_pieces_of_a_long_line_are_one_line_unless_something_comes_between(capsys):
    display = ConsoleDisplay()
    piece = LineKind.PIECE
    one, two = "user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"
    display.line(line("aa", path=one, rank=0, kind=piece))
    display.line(line("bb", path=one, rank=0, kind=piece))
    display.line(line("", path=one, rank=0))
    display.line(line("cc", path=one, rank=0, kind=piece))
    display.line(line("x", path=two, rank=1))
    display.line(line("dd", path=one, rank=0))
    display.rest()
    assert capsys.readouterr().out.splitlines() == [
        "[rank 0] aabb",
        "[rank 0] cc",
        "[rank 1] x",
        "[rank 0] dd",
    ]


def test_a_quiet_display_shows_lines_alone(capsys):
    show_everything(ConsoleDisplay(quiet=True))
    out, err = capsys.readouterr()
    assert out == "[red]data[/red]\n[rank 3] x\n"
    assert err == ""


def test_timestamps_are_those_of_the_file(capsys):
    display = ConsoleDisplay(timestamps=True)
    display.line(line("x", time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), rank=1))
    display.rest()
    assert capsys.readouterr().out == "2026-01-02T03:04:05Z [rank 1] x\n"


def test_further_files_are_named(capsys):
    display = ConsoleDisplay()
    display.line(line("a"))
    display.line(line("b", path="user_logs/extra.log"))
    display.rest()
    assert capsys.readouterr().out == "a\n[user_logs/extra.log] b\n"


def test_without_a_terminal_a_line_now_and_then_tells_of_a_wait(capsys):
    display = ConsoleDisplay()
    display.status(JobStatus.QUEUED, 0)
    for second in range(200):
        reason = "cluster cpu is starting nodes" if second > 30 else None
        display.progress(
            Progress(status=JobStatus.QUEUED, elapsed=float(second), waiting_for=reason)
        )
    assert capsys.readouterr().err.splitlines() == [
        "0:00:00  Queued",
        "0:00:31  Queued: cluster cpu is starting nodes",
        "0:01:31  Queued: cluster cpu is starting nodes",
        "0:02:31  Queued: cluster cpu is starting nodes",
    ]


def test_trouble_is_told_once_and_so_is_its_end(capsys):
    display = ConsoleDisplay()
    for second, trouble in enumerate([None, "HTTP 503", "HTTP 503", "reset", None, None]):
        display.progress(Progress(status=JobStatus.RUNNING, elapsed=float(second), trouble=trouble))
    assert capsys.readouterr().err.splitlines() == [
        "0:00:01  Trying again: HTTP 503",
        "0:00:04  Contact is back.",
    ]


def test_an_outcome_tells_all_that_is_known(capsys):
    ConsoleDisplay().outcome(
        RunOutcome(
            status=JobStatus.FAILED,
            error="UserError: bash exited with status code 1. Error: Traceback\nKeyError: 1",
            duration=62.0,
            phases={"Queued": 20.0, "running": 62.0},
            exit_code=1,
            rank=2,
            last_lines=("Traceback", "\x1b[31mKeyError: 1\x1b[0m"),
            cause=Cause(what="the key is missing.", fix="Add it."),
            summary=RunSummary(
                params={"alpha": "0.3"},
                metrics={"rmse": 0.7931640625, "steps": 1e6},
                artifacts=(Artifact(path="model/m.pkl", size=2048), Artifact(path="x")),
                outputs={"model": "azureml://datastores/a/paths/b"},
            ),
        )
    )
    assert capsys.readouterr().err.splitlines() == [
        "Failed in 0:01:02, exit code 1 (Queued 0:00:20, running 0:01:02)",
        "UserError: bash exited with status code 1. Error: Traceback",
        "The last 2 lines of rank 2:",
        "    Traceback",
        "    KeyError: 1",
        "Likely cause: the key is missing.",
        "What to do:   Add it.",
        "Parameters   alpha=0.3",
        "Metrics      rmse 0.793164, steps 1e+06",
        "Output       model  azureml://datastores/a/paths/b",
        "Artifacts    2 files, 2.0 KB",
        "    model/m.pkl  2.0 KB",
        "    x",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_bars_metrics_and_status_stay_below_the_lines(monkeypatch):
    screen = Terminal()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    display = ConsoleDisplay()
    path = "user_logs/std_log_process_1.txt"
    now = Progress(status=JobStatus.RUNNING, elapsed=5, metrics={"loss": 0.25})
    display.line(line("  10%|#", path=path, rank=1, kind=LineKind.UNFINISHED))
    display.progress(now)
    display.line(line("hello", rank=0))
    display.line(line("  100%|####", path=path, rank=1))
    display.progress(now)
    display.rest()
    assert on_screen(screen.getvalue()) == ["[rank 0] hello", "[rank 1]   100%|####"]
    assert "[rank 1]   10%|#" in without_colours(screen.getvalue())
    assert "loss 0.25" in without_colours(screen.getvalue())
    assert "0:00:05  Running" in without_colours(screen.getvalue())


def on_screen(written):
    """Give the lines that a terminal shows in the end."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", written):
        if part == "\n":
            row, column = row + 1, 0
            rows += [""] * (row - len(rows) + 1)
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            rows[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith("\x1b"):
            rows[row] = rows[row][:column].ljust(column) + part
            column += len(part)
    return [text for text in rows if text]
