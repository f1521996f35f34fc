"""Many runs at once: each a job of its own, with what they share asked for and uploaded once."""

from __future__ import annotations

import threading
from collections import Counter
from urllib.parse import urlencode

import mlflow
import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.errors import BatchError


@pytest.fixture
def runs(workspace, signed_in, client, tmp_path):
    """Describe runs of one project."""
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


def asked(workspace, emulator):
    query = urlencode({"workspace": workspace.arm_id, "limit": 20_000})
    entries = request(emulator, "GET", f"/_emulator/journal?{query}")["entries"]
    return Counter((e["method"], e["route"].rpartition("workspaces/")[2]) for e in entries)


def check_all(submitted, count, client, workspace, emulator):
    assert [client.get_run(r.run_id).data.params["n"] for r in submitted] == [
        str(n) for n in range(count)
    ]
    assert len({run.job_name for run in submitted}) == count
    times = asked(workspace, emulator)
    made = {route: n for (method, route), n in times.items() if method == "PUT"}
    jobs = {route: n for route, n in made.items() if "/jobs/" in route}
    assert list(jobs.values()) == [count]
    assert all(n == 1 for route, n in made.items() if "/codes/" in route or "/env" in route), made
    mlflow_azureml_backend.cancel(*(run.run_id for run in submitted), until_ended=False)


def test_many_runs_share_their_snapshot_and_their_environment(runs, client, workspace, emulator):
    submitted = mlflow_azureml_backend.submit_many(runs(5))
    check_all(submitted, 5, client, workspace, emulator)


def test_those_that_could_not_be_submitted_are_told_and_the_others_kept(runs, client):
    with pytest.raises(BatchError) as caught:
        mlflow_azureml_backend.submit_many([*runs(2), *runs(1, "absent"), {"uri": "absent"}])
    text = str(caught.value)
    assert "2 of 4 runs were not submitted. Run 2: There is no compute 'absent'" in text
    assert "Run 3: " in text
    kept = [run.run_id for run in caught.value.submitted]
    assert len(kept) == 2
    assert all(run_id in text for run_id in kept)
    mlflow_azureml_backend.cancel(*kept, until_ended=False)


@pytest.mark.campaign
def test_a_hundred_threads_submit_at_once(runs, client, workspace, emulator):
    submitted, errors = {}, []

    def submit(arguments):
        try:
            run = mlflow.projects.run(**arguments, backend="azureml", synchronous=False)
            submitted[arguments["parameters"]["n"]] = run
        except Exception as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=submit, args=(each,)) for each in runs(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({run.job_name for run in submitted.values()}) == 100
    mlflow_azureml_backend.cancel(*(r.run_id for r in submitted.values()), until_ended=False)
