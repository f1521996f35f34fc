"""Runs that get through a bad day of the service: each line of the log is shown, and once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import ExecutionException

PROJECTS = Path(__file__).parent / "projects"
LINES = [
    *(f"line {number}: größer, 第三行, 🚀" for number in range(60)),
    "no line break at the end",
]
DETAILS, LOGS, JOB = "GET */details", "GET */user_logs/*", "PUT */jobs/*"


def also(faults):
    """Mark what differs little from its neighbours, so that the usual test run stays short."""
    return pytest.param(faults, marks=pytest.mark.campaign)


@pytest.fixture
def talk(azureml_emulator, client):
    """Run a project that prints `LINES`, in the emulator."""

    def run() -> Any:
        return mlflow.projects.run(
            str(PROJECTS / "talking"),
            backend="azureml",
            backend_config=azureml_emulator.backend_config,
            experiment_name="sample",
        )

    return run


@pytest.mark.parametrize(
    "faults",
    [
        [{"route": DETAILS, "status": 429, "retry_after": 0, "skip": 1, "count": 4}],
        also([{"route": DETAILS, "status": 429, "count": 2}]),
        also([{"route": DETAILS, "status": 502, "html": True, "count": 2}]),
        also([{"route": DETAILS, "reset": "before", "count": 2}]),
        [{"route": DETAILS, "reset": "after", "skip": 1, "count": 2}],
        also([{"route": DETAILS, "truncate": True, "count": 2}]),
        also([{"route": DETAILS, "expired_token": True, "count": 2}]),
        also([{"route": DETAILS, "sas_lifetime": -5, "count": 2}]),
        also([{"lag_answers": 3}]),
        also([{"status_order": "duplicate"}]),
        also([{"status_order": "out_of_order"}]),
        also([{"route": LOGS, "status": 503, "count": 2}]),
        also([{"route": LOGS, "status": 504, "html": True, "count": 2}]),
        also([{"route": LOGS, "reset": "after", "count": 2}]),
        also([{"route": LOGS, "truncate": 100, "count": 3}]),
        also([{"route": LOGS, "slow": 4000, "count": 1}]),
        also([{"route": LOGS, "expired_sas": True, "count": 2}]),
        [{"log_fragments": 97}],
        also([{"log_truncated": 500, "count": 3}]),
    ],
    ids=str,
)
def test_a_run_is_followed_to_its_end(talk, azureml_emulator, capsys, faults):
    for fault in faults:
        azureml_emulator.faults.add(**fault)
    run = talk()

    assert capsys.readouterr().out.splitlines() == LINES
    assert run.get_status() == "FINISHED"
    struck = [fault["struck"] for fault in azureml_emulator.faults.list()]
    assert all(struck), "a fault that strikes nobody shows nothing"


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 504, "handled": True},
        also({"status": 502, "html": True}),
        also({"status": 429, "retry_after": 0}),
        also({"reset": "before"}),
        {"reset": "after"},
        also({"truncate": True}),
    ],
    ids=str,
)
def test_a_submission_that_fails_on_the_way_starts_one_job(talk, azureml_emulator, capsys, fault):
    azureml_emulator.faults.add(route=JOB, count=1, **fault)
    run = talk()

    assert run.get_status() == "FINISHED"
    assert capsys.readouterr().out.splitlines() == LINES
    submitted = {
        entry.path
        for entry in azureml_emulator.journal()
        if entry.method == "PUT" and "/jobs/" in entry.path
    }
    assert [path.rpartition("/")[2] for path in submitted] == [run.job_name]


@pytest.mark.parametrize(
    "route",
    [
        "GET */codes/*",
        "POST */startPendingUpload",
        also("PUT *.blob.core.windows.net/*"),  # its client waits 15 seconds and longer
    ],
)
def test_an_upload_gets_through_what_passes(talk, azureml_emulator, route):
    azureml_emulator.faults.add(route=route, status=503, count=1)
    azureml_emulator.faults.add(route=route, reset="after", count=1)

    assert talk().get_status() == "FINISHED"
    assert [fault["struck"] for fault in azureml_emulator.faults.list()] == [1, 1]


def test_a_submission_that_is_refused_for_good_is_one_clear_error(talk, azureml_emulator, client):
    azureml_emulator.faults.add(route=JOB, status=409)

    with pytest.raises(ExecutionException, match="Conflict"):
        talk()
    [run] = client.search_runs([client.get_experiment_by_name("sample").experiment_id])
    assert run.info.status == "FAILED"


def test_a_run_gets_through_a_day_on_which_everything_fails_at_times(
    talk, azureml_emulator, capsys
):
    faults = (
        {"status": 429, "retry_after": 0, "service": "arm"},
        {"status": 429, "retry_after": 0, "service": "api"},
        {"status": 502, "html": True, "route": "GET"},
        {"reset": "after", "route": "GET"},
        {"truncate": True, "route": "GET"},
        {"latency": 0.02, "jitter": 0.02},
    )
    for seed, fault in enumerate(faults):
        azureml_emulator.faults.add(**fault, probability=0.1, seed=seed)
    azureml_emulator.faults.add(log_fragments=211)
    run = talk()

    assert capsys.readouterr().out.splitlines() == LINES
    azureml_emulator.faults.clear()
    assert run.get_status() == "FINISHED"
