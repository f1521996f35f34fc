"""Runs of this backend are found among many, a page at a time."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend import list_runs
from mlflow_azureml_backend.runs import find_run

RUNS = 10_000
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"


@pytest.fixture
def file(empty_store, tmp_path, monkeypatch):
    """The database of a store that nobody else uses."""
    copy = shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    mlflow.set_tracking_uri(f"sqlite:///{copy}")
    yield copy
    mlflow.set_tracking_uri(None)


@pytest.fixture
def requests_made(monkeypatch):
    """How many runs each search asked for."""
    made = []
    search = MlflowClient.search_runs

    def counted(self, *arguments, **keywords):
        made.append(keywords["max_results"])
        return search(self, *arguments, **keywords)

    monkeypatch.setattr(MlflowClient, "search_runs", counted)
    return made


def seed(file, count, *, foreign):
    """Write runs past MLflow; every so many is of somebody else."""
    runs, tags = [], []
    for number in range(count):
        run_id = f"{number:032x}"
        status = "FAILED" if number % 100 == 0 else "FINISHED"
        row = (run_id, f"run {number}", "0", "t", status, 1_000 + number, 2_000 + number, "active")
        runs.append((*row, "file:///nowhere"))
        if number % foreign:
            tags.append((run_id, "azureml.job_name", f"job_{number}"))
            tags.append((run_id, "azureml.workspace", f"{WORKSPACE}/workspaces/w"))
    columns = "run_uuid, name, experiment_id, user_id, status, start_time, end_time"
    with closing(sqlite3.connect(file)) as database, database:
        database.executemany(
            f"INSERT INTO runs ({columns}, lifecycle_stage, artifact_uri)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            runs,
        )
        database.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", tags)


@pytest.mark.parametrize("count", [pytest.param(RUNS, marks=pytest.mark.campaign), 2500])
def test_all_of_many_runs_are_listed_newest_first_in_few_requests(file, requests_made, count):
    seed(file, count, foreign=7)
    started = time.monotonic()
    listed = list_runs(limit=None)
    print(f"{len(listed)} runs in {time.monotonic() - started:.1f} s")
    all_requests = requests_made[:]
    requests_made.clear()

    expected = [f"job_{number}" for number in reversed(range(count)) if number % 7]
    assert [run.job_name for run in listed] == expected
    assert all_requests == [1000] * len(range(0, len(expected), 1000))
    assert [run.job_name for run in list_runs(limit=3)] == expected[:3]
    assert find_run("latest").job_name == expected[0]
    assert find_run("job_1").run_id == f"{1:032x}"
    assert requests_made == [3, 1, 1000]
    failed = list_runs(status="Failed", limit=None)
    assert {run.job_name for run in failed} == {
        f"job_{number}" for number in range(0, count, 100) if number % 7
    }
