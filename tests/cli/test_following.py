"""`logs`, `status`, `wait` and `cancel`, and what they end with."""

from __future__ import annotations

import json

import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.cli.exit_codes import exit_code_of
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.runs import RunState
from tests.cli.conftest import read_json


def stored_status(run_id: str) -> str:
    from mlflow import MlflowClient

    return str(MlflowClient().get_run(run_id).info.status)


def test_the_log_of_an_ended_job_completes_its_run_and_tells_its_end(cli, in_world):
    result = cli("logs", "broken")

    assert result.exit_code == 1
    assert result.stdout == "oh no\n"
    assert "Failed" in result.stderr
    assert stored_status(in_world.runs["broken"]) == "FAILED"


def test_the_log_of_a_job_that_no_store_knows_is_shown_as_well(cli):
    result = cli("logs", "foreign")

    assert (result.exit_code, result.stdout) == (0, "nobody knows me\n")


def test_the_log_as_json_is_an_object_a_line(cli):
    result = cli("logs", "broken", "--json")

    events = [json.loads(line) for line in result.stdout.splitlines()]
    said = [e for e in events if e["event"] == "line" and e["file"] == "user_logs/std_log.txt"]
    assert [event["line"] for event in said] == ["oh no"]
    assert events[-1]["event"] == "outcome"
    assert events[-1]["mlflow_status"] == "FAILED"
    only_lines = cli("logs", "broken", "--json", "--quiet").stdout.splitlines()
    assert {json.loads(line)["event"] for line in only_lines} == {"line"}


def test_only_chosen_files_are_shown(cli):
    assert cli("logs", "broken", "--file", "no*.txt").stdout == ""


@pytest.mark.parametrize(("job", "code"), [("trained", 0), ("broken", 1)])
def test_a_status_is_one_word_and_on_request_the_exit_code(cli, job, code):
    assert cli("status", job).exit_code == 0
    assert cli("status", job, "--exit-code").exit_code == code
    told = read_json(cli("status", job, "--json"))
    assert told["job_name"] == job
    assert told["status"] == ("Failed" if code else "Completed")
    assert (told["error"] is None) == (code == 0)


def test_waiting_for_several_ends_with_the_worst(cli, in_world):
    result = cli("wait", "trained", "broken", "foreign")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{in_world.runs['trained']}\tCompleted",
        f"{in_world.runs['broken']}\tFailed",
        "foreign\tCompleted",
    ]
    assert stored_status(in_world.runs["trained"]) == "FINISHED"


def test_a_job_that_runs_on_is_told_of_at_the_timeout_and_cancelled_on_request(cli, in_world):
    in_world.submit("endless", "sleep 600")
    in_world.advance("endless", "Running")
    run_id = in_world.open_run("endless", experiment="cancelled")

    waited = cli("wait", run_id, "--timeout", "0.1")
    assert (waited.exit_code, waited.stdout) == (4, "Running\n")
    assert "still running" in waited.stderr
    assert cli("status", "endless", "--exit-code").exit_code == 4
    assert cli("logs", "endless").exit_code == 0

    cancelled = cli("cancel", "endless", "--json")
    assert cancelled.exit_code == 0
    assert [state["status"] for state in read_json(cancelled)] == ["Canceled"]
    assert stored_status(run_id) == "KILLED"
    assert cli("wait", "endless").exit_code == 3
    assert cli("cancel", "endless").stdout == "Canceled\n", "it has ended already"


@pytest.mark.slow
def test_a_mistyped_run_cancels_nothing(cli, in_world):
    in_world.submit("kept", "sleep 600")
    in_world.advance("kept", "Running")

    result = cli("cancel", "kept", "nobody")

    assert result.exit_code == 1
    assert mlflow_azureml_backend.status("kept").status is JobStatus.RUNNING
    assert cli("cancel", "kept", "--no-wait").exit_code == 0


def test_an_error_is_one_line_and_json_on_request(cli):
    plain, told = cli("status", "nobody"), cli("status", "nobody", "--json")

    assert plain.exit_code == told.exit_code == 1
    assert plain.stderr.startswith("Error: There is no run 'nobody'")
    assert plain.stderr.count("\n") == 1
    assert json.loads(told.stderr)["error"]["type"] == "NotFoundError"


@pytest.mark.slow
def test_a_service_that_does_not_answer_is_lost_contact(cli, faults):
    faults(route="GET */details", status=503)

    assert cli("status", "trained").exit_code == 4


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["COMPLETED"], 0),
        (["COMPLETED", "CANCELED"], 3),
        (["CANCELED", "FAILED"], 1),
        (["FAILED", "RUNNING"], 4),
        ([None], 4),
    ],
)
def test_the_worst_state_is_the_exit_code(statuses, code):
    states = [
        RunState(run_id="r", job_name="j", status=JobStatus[status] if status else None)
        for status in statuses
    ]
    assert exit_code_of(states) == code
