"""A client may die at any moment: whoever attaches ends up with the whole run, nothing twice.

The seed is printed; `KILLS=200 KILL_SEED=7 make campaign` repeats a longer campaign.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
import uuid
from collections import Counter
from pathlib import Path

import mlflow
import pytest

from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.schema import WorkspaceConfig
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.workspace import connect
from tests.end_to_end.clients import Clients

PROJECT = Path(__file__).parent / "projects" / "logging"
POINTS = 400
EARLY, ATTACHED = "before there was a run", "of those who attached"


@pytest.fixture
def here(emulator):
    """Give a workspace whose jobs run at once, in the emulator's own Python."""
    named = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "kills",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(named.values())}")
    return named


@pytest.fixture
def service(here):
    ref = locate_workspace(
        WorkspaceConfig(**here), tracking_uri="", environ={}, project_root=PROJECT
    )
    return connect(ref)


@pytest.fixture(params=["sqlite", "file"])
def store(request, empty_store, tmp_path, monkeypatch):
    """Give a user's own MLflow store, and its client."""
    if request.param == "file":
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = (tmp_path / "mlruns").as_uri()
    else:
        shutil.copy(empty_store, tmp_path / "mlflow.db")
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    client.create_experiment("sample", artifact_location=(tmp_path / "artifacts").as_uri())
    yield client
    mlflow.set_tracking_uri(None)


@pytest.fixture
def clients(store, emulator_root, tmp_path):
    return Clients(tmp_path, {**os.environ, "MLFLOW_AZUREML_EMULATOR_ROOT": str(emulator_root)})


@pytest.fixture
def campaign(clients, store, service, here, tmp_path):
    """Kill so many clients, and look at what those who attach make of their runs."""
    config = tmp_path / "backend.json"
    config.write_text(json.dumps({"workspace": here, "compute": "cpu-cluster"}))

    def started():
        return clients.mlflow(
            *("run", str(PROJECT), "--backend", "azureml", "--experiment-name", "sample"),
            *("--backend-config", str(config), "-P", f"points={POINTS}"),
        )

    def kill(number: int, seed: int) -> Counter[str]:
        rng = random.Random(seed)
        # How long a client lives is the machine's affair: one that may end tells.
        clients.warm_up()
        began = time.monotonic()
        whole = started()
        whole.join()
        lifetime = time.monotonic() - began
        assert whole.exitcode == 0, clients.output()
        check(store, service, runs(store)[0].info.run_id, clients)
        print(f"\nseed {seed}, a client lives {lifetime:.1f} s", flush=True)
        found: Counter[str] = Counter()
        while found.total() - found[EARLY] - found[ATTACHED] < number:
            before = {run.info.run_id for run in runs(store)}
            killed_after(started(), rng.uniform(0, lifetime))
            [run] = [run for run in runs(store) if run.info.run_id not in before] or [None]
            if run is None:
                found[EARLY] += 1
                continue
            moment = moment_of(run, service)
            killed_later = complete(clients, run.info.run_id, rng, lifetime / 2)
            check(store, service, run.info.run_id, clients)
            found[moment] += 1
            found[ATTACHED] += killed_later
            print(f"{found.total():4}  killed {moment}", flush=True)
        for moment, count in sorted(found.items()):
            print(f"{count:4} killed {moment}")
        return found

    return kill


def runs(store):
    return store.search_runs([store.get_experiment_by_name("sample").experiment_id])


def killed_after(client, seconds: float) -> None:
    client.join(seconds)
    client.kill()
    client.join()


def moment_of(run, service) -> str:
    """Tell how far a client came."""
    if "azureml.mirrored" in run.data.tags:
        return "at its end, or ended by itself"
    job_name = run.data.tags["azureml.job_name"]
    try:
        status = service.details(job_name).status
    except NotFoundError:
        return "before the job was there"
    if "azureml.studio_url" not in run.data.tags:
        return "between submission and tag"
    return "while the run was completed" if status.is_terminal else "while the job was followed"


def complete(clients, run_id: str, rng, lifetime: float) -> int:
    """Attach: perhaps one that is killed in turn, then one or two at once that may end."""
    killed = rng.randrange(2)
    for _ in range(killed):
        killed_after(clients.attach(run_id), rng.uniform(0, lifetime))
    followers = [clients.attach(run_id) for _ in range(rng.randrange(1, 3))]
    for follower in followers:
        follower.join(300)
        assert follower.exitcode == 0, clients.output()
    return killed


def check(store, service, run_id: str, clients) -> None:
    run = store.get_run(run_id)
    job_name = run.data.tags["azureml.job_name"]
    try:
        details = service.details(job_name)
    except NotFoundError:
        assert run.info.status == "FAILED"
        assert "ended before it had submitted" in run.data.tags["azureml.submission_error"]
        return
    assert run.info.status == details.status.to_run_status() == "FINISHED", clients.output()
    assert "azureml.submission_error" not in run.data.tags
    assert run.data.tags["azureml.studio_url"]
    theirs = service.tracked_run(job_name)
    data = theirs.read()["data"]
    assert run.info.end_time == int(theirs.read()["info"]["end_time"])
    assert run.data.params == {"points": str(POINTS), "seconds": "2", "from_the_job": "yes"}
    assert run.data.tags["colour"] == "blue"
    for key in ("loss", "accuracy"):
        mine = Counter(
            (point.value, point.timestamp, point.step)
            for point in store.get_metric_history(run_id, key)
        )
        points = Counter(
            (float(point["value"]), int(point["timestamp"]), int(point["step"]))
            for point in theirs.metric_history(key)
        )
        assert mine == points
        assert sum(mine.values()) == POINTS
    assert sorted(metric["key"] for metric in data["metrics"]) == sorted(run.data.metrics)
    artifacts = Path(mlflow.artifacts.download_artifacts(run_id=run_id))
    assert (artifacts / "outputs" / "model.bin").read_bytes() == bytes(range(256)) * 64
    assert (artifacts / "user_logs" / "std_log.txt").read_text().endswith("part 9\ndone\n")
    listed = {file["path"]: file["size"] for file in theirs.artifacts()}
    kept = json.loads((artifacts / "azureml" / "artifacts.json").read_text())
    assert {file["path"]: file["size"] for file in kept} == listed


def seed() -> int:
    return int(os.environ.get("KILL_SEED", time.time_ns() % 1_000_000))


@pytest.mark.campaign
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_client_that_is_killed_at_any_moment_leaves_a_run_that_can_be_completed(campaign):
    campaign(3, seed())


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_many_clients_that_are_killed_leave_runs_that_can_be_completed(campaign):
    found = campaign(int(os.environ.get("KILLS", "50")), seed())

    assert found["while the job was followed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"route": "PUT */jobs/*", "latency": 2}, None),
        ({"route": "PUT */jobs/*", "slow": 10}, "between submission and tag"),
    ],
    ids=["while it submits", "before it tags the run"],
)
def test_a_client_that_is_killed_around_the_submission_leaves_a_run_that_can_be_completed(
    azureml_emulator, client, tmp_path, fault, found
):
    named = WorkspaceConfig(**azureml_emulator.workspace)
    ref = locate_workspace(named, tracking_uri="", environ={}, project_root=PROJECT)
    service, clients = connect(ref), Clients(tmp_path, dict(os.environ))
    config = json.dumps(azureml_emulator.backend_config)
    azureml_emulator.faults.add(**fault)
    process = clients.mlflow(
        *("run", str(PROJECT), "--backend", "azureml", "--experiment-name", "sample"),
        *("--backend-config", config),
    )
    while not azureml_emulator.faults.list()[0]["struck"]:
        process.join(0.1)
        assert process.is_alive(), clients.output()
    process.kill()
    process.join()
    azureml_emulator.faults.clear()

    [run] = runs(client)
    assert found in {None, moment_of(run, service)}
    follower = clients.attach(run.info.run_id)
    follower.join(200)
    assert follower.exitcode == 0, clients.output()
    check(client, service, run.info.run_id, clients)
