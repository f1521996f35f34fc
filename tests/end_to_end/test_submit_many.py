"""Many runs at once: each a job of its own, with what they share asked for and uploaded once."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from urllib.parse import urlencode

import mlflow
import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.errors import BatchError

ARM, PAUSE = "management.azure.com", 1.0


@pytest.fixture
def runs(workspace, signed_in, client, tmp_path, monkeypatch):
    """Describe runs of one project, of a user whom this process does not know yet."""
    monkeypatch.setenv("AZURE_USERNAME", str(uuid.uuid4()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "MLproject").write_text(
        "name: many\nentry_points: {main: {parameters: {n: float}, command: 'echo {n}'}}\n"
    )
    key = (workspace.subscription_id, workspace.resource_group, workspace.workspace_name)
    names = ("subscription_id", "resource_group", "workspace_name")
    config = {
        "workspace": dict(zip(names, key, strict=True)),
        "environment": {"image": "example.com/base:1", "conda_file": {"dependencies": ["pip"]}},
        "inject": "never",
        "stream": False,
    }

    def describe(count, compute="cpu-cluster"):
        given = {"uri": str(project), "backend_config": {**config, "compute": compute}}
        given["experiment_name"] = "sample"
        return [{**given, "parameters": {"n": n}} for n in range(count)]

    return describe


@pytest.fixture
def limit(workspace, emulator):
    """Let the service refuse jobs, for being asked too often."""
    key = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"
    route = {"route": f"PUT {ARM}/*/jobs/*", "status": 429, "retry_after": PAUSE}
    query = urlencode({"workspace": key})
    yield lambda **options: request(
        emulator, "POST", "/_emulator/faults", body={**route, "workspace": key, **options}
    )
    request(emulator, "DELETE", f"/_emulator/faults?{query}")


@pytest.fixture
def journal(emulator, runs):
    """Give what the emulator was asked since the test began."""
    begun = _entries(emulator, limit=1)[-1]["number"]
    return lambda: _entries(emulator, since=begun, limit=50_000)


def _entries(emulator, **query):
    return request(emulator, "GET", f"/_emulator/journal?{urlencode(query)}")["entries"]


def in_threads(count, described):
    """Call `mlflow.projects.run` in so many threads at once; give the runs in order."""
    submitted, errors, ready = {}, [], threading.Barrier(count)

    def submit(number, arguments):
        ready.wait()
        try:
            run = mlflow.projects.run(**arguments, backend="azureml", synchronous=False)
            submitted[number] = run
        except Exception as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=submit, args=each) for each in enumerate(described(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return [submitted[number] for number in range(count)]


def check_all(submitted, client, entries, *, before=0):
    """Check that each run has a job and params of its own, and that the rest was asked once."""
    count = len(submitted)
    shown = [client.get_run(run.run_id) for run in submitted]
    assert [run.data.params["n"] for run in shown] == [str(n) for n in range(count)]
    assert [run.data.tags["azureml.job_name"] for run in shown] == [r.job_name for r in submitted]
    assert len({run.run_id for run in submitted}) == len({r.job_name for r in submitted}) == count
    made = [e for e in entries if e["method"] in {"PUT", "POST"} and e["status"] < 400]
    puts = [e["path"].rpartition("/")[2] for e in made if "/jobs/" in e["path"]]
    assert len([name for name in puts if name != "cancel"]) == before + count
    # The upload is begun and registered, and the environment is made.
    shared = Counter(e["route"] for e in made if "/codes" in e["path"] or "/env" in e["path"])
    assert [*shared.values()] == [1, 1, 1], shared
    tokens = [e for e in entries if e["host"].startswith("login.") and e["method"] == "POST"]
    assert len(tokens) == 1
    mlflow_azureml_backend.cancel(*(run.run_id for run in submitted), until_ended=False)


def test_threads_that_submit_at_once_share_what_they_can_and_heed_a_rate_limit_together(
    runs, client, limit, journal
):
    first = in_threads(4, runs)
    check_all(first, client, journal())
    limit(count=1)  # the connections are open: what is sent from here on arrives at once
    submitted = in_threads(8, runs)
    entries = journal()
    check_all(submitted, client, entries, before=len(first))
    (told,) = [entry for entry in entries if entry["status"] == 429]
    since = told["time"] + told["seconds"]
    after = [e["time"] - since for e in entries if e["host"] == ARM and e["time"] > since]
    # What was on its way already, the service had to take.
    assert not [seconds for seconds in after if 0.2 < seconds < PAUSE - 0.02], after
    assert [seconds for seconds in after if seconds > PAUSE - 0.02]


def test_runs_that_are_submitted_together_are_children_of_the_active_run(runs, client, journal):
    with mlflow.start_run(experiment_id=client.get_experiment_by_name("sample").experiment_id) as r:
        submitted = mlflow_azureml_backend.submit_many(runs(3))
    check_all(submitted, client, journal())
    tags = [client.get_run(run.run_id).data.tags for run in submitted]
    assert [tag.get("mlflow.parentRunId") for tag in tags] == [r.info.run_id] * 3


def test_those_that_could_not_be_submitted_are_told_and_the_others_kept(runs, client):
    described = [*runs(2), *runs(1, "absent"), {"uri": "absent"}]
    with pytest.raises(BatchError) as caught:
        mlflow_azureml_backend.submit_many(described)
    text = str(caught.value)
    assert "2 of 4 runs were not submitted. Run 2: There is no compute 'absent'" in text
    assert "Run 3: " in text
    kept = [run.run_id for run in caught.value.submitted]
    assert len(kept) == 2
    assert all(run_id in text for run_id in kept)
    assert "SYNCHRONOUS" not in described[0]["backend_config"]
    mlflow_azureml_backend.cancel(*kept, until_ended=False)


@pytest.mark.campaign
@pytest.mark.parametrize("way", [in_threads, None], ids=["mlflow.projects.run", "submit_many"])
def test_a_hundred_runs_are_submitted_at_once(runs, client, journal, way):
    submitted = way(100, runs) if way else mlflow_azureml_backend.submit_many(runs(100), threads=32)
    check_all(submitted, client, journal())


@pytest.mark.campaign
def test_a_hundred_threads_get_through_a_service_that_is_busy_for_long(
    runs, client, limit, journal
):
    limit(probability=0.5, seed=7, count=60)
    check_all(in_threads(100, runs), client, journal())
