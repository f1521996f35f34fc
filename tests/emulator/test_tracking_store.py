"""The tracking of workspaces without a server around it: runs of jobs, and the databases."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.blob_store import BlobStore
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.resources import WorkspaceKey
from mlflow_azureml_backend.emulator.run_artifacts import artifact_folder_of_uri
from mlflow_azureml_backend.emulator.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "blue_cord_wn1brysqfm"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def tracking(root: Path) -> Iterator[Tracking]:
    blobs = BlobStore(root / "blobs", lambda _: b"secret")
    found = Tracking(root=root / "databases", region="eastus", blobs=blobs)
    yield found
    found.close()
    blobs.close()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> WorkspaceKey:
    name = request.node.name[:60]
    return WorkspaceKey(subscription_id="sub", resource_group="Group", name=name)


def create_run(tracking: Tracking, key: WorkspaceKey, **changed: Any) -> str:
    fields: dict[str, Any] = {
        "run_id": RUN,
        "experiment_name": "training",
        "run_name": "a display name",
        "user": "somebody",
        "tags": {"team": "tests"},
        "start_time_ms": 1_700_000_000_000,
    }
    return tracking.create_run(key, **{**fields, **changed})


def test_the_run_of_a_job_has_the_name_of_the_job_as_its_id(
    tracking: Tracking, key: WorkspaceKey
) -> None:
    experiment = create_run(tracking, key)

    found = tracking.summary(key, RUN)

    assert (found.run_id, found.run_name, found.status) == (RUN, "a display name", "SCHEDULED")
    assert (found.experiment_id, found.experiment_name) == (experiment, "training")
    assert found.artifact_uri == (
        f"azureml://eastus.api.azureml.ms/mlflow/v2.0{key.arm_id}"
        f"/experiments/{experiment}/runs/{RUN}/artifacts"
    )
    assert found.tags == {
        "mlflow.user": "somebody",
        "mlflow.runName": "a display name",
        "mlflow.rootRunId": RUN,
        "mlflow.source.type": "JOB",
        "team": "tests",
    }


def test_a_run_that_is_there_stays_as_it_is(tracking: Tracking, key: WorkspaceKey) -> None:
    first = create_run(tracking, key)

    assert create_run(tracking, key, run_name="another", experiment_name="training") == first
    assert tracking.summary(key, RUN).run_name == "a display name"


def test_two_jobs_of_one_experiment_share_it(tracking: Tracking, key: WorkspaceKey) -> None:
    assert create_run(tracking, key, run_id="one") == create_run(tracking, key, run_id="two")


def test_a_deleted_experiment_comes_back_with_its_next_job(
    tracking: Tracking, key: WorkspaceKey
) -> None:
    experiment = create_run(tracking, key, run_id="one")
    store = tracking._mlflow().stores(key).tracking
    store.delete_experiment(experiment)

    assert create_run(tracking, key, run_id="two") == experiment
    assert store.get_experiment(experiment).lifecycle_stage == "active"


def test_a_run_keeps_the_status_and_tags_its_job_gives_it(
    tracking: Tracking, key: WorkspaceKey
) -> None:
    create_run(tracking, key)
    tracking.set_tags(key, RUN, {"team": "others", "new": ""})
    tracking.set_status(key, RUN, "RUNNING", None)
    running = tracking.summary(key, RUN)
    tracking.set_status(key, RUN, "KILLED", 1_700_000_001_000)

    assert running.status == "RUNNING"
    assert (running.tags["team"], running.tags["new"]) == ("others", "")
    assert tracking.summary(key, RUN).status == "KILLED"


def test_a_job_may_end_after_its_run_was_deleted(tracking: Tracking, key: WorkspaceKey) -> None:
    create_run(tracking, key)
    tracking._mlflow().stores(key).tracking.delete_run(RUN)

    tracking.set_status(key, RUN, "FINISHED", 1_700_000_001_000)

    assert tracking.summary(key, RUN).status == "FINISHED"


def test_a_run_that_does_not_exist_is_a_key_error(tracking: Tracking, key: WorkspaceKey) -> None:
    with pytest.raises(KeyError):
        tracking.summary(key, RUN)
    with pytest.raises(KeyError):
        tracking.set_status(key, RUN, "FINISHED", None)
    with pytest.raises(KeyError):
        tracking.set_tags(key, RUN, {})


def test_a_workspace_is_the_same_however_its_name_is_spelled(
    tracking: Tracking, key: WorkspaceKey
) -> None:
    create_run(tracking, key)
    spelled = WorkspaceKey(
        subscription_id=key.subscription_id,
        resource_group=key.resource_group.upper(),
        name=key.name.upper(),
    )

    assert tracking.summary(spelled, RUN).run_id == RUN


def test_the_environment_does_not_lead_tracking_elsewhere(
    tracking: Tracking, key: WorkspaceKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "_MLFLOW_SERVER_FILE_STORE"):
        monkeypatch.setenv(variable, f"sqlite:///{elsewhere}")

    create_run(tracking, key)

    assert tracking.summary(key, RUN).run_id == RUN
    assert not elsewhere.exists()


def test_what_was_tracked_is_there_after_a_restart(
    root: Path, tracking: Tracking, key: WorkspaceKey
) -> None:
    create_run(tracking, key)
    blobs = BlobStore(root / "blobs", lambda _: b"secret")
    again = Tracking(root=root / "databases", region="eastus", blobs=blobs)

    assert again.summary(key, RUN).run_id == RUN

    again.close()
    blobs.close()


def test_a_database_that_a_newer_mlflow_wrote_is_refused_with_what_to_do(
    root: Path, tracking: Tracking, key: WorkspaceKey
) -> None:
    create_run(tracking, key)
    tracking.close()
    file = root / "databases" / f"{key.guid}.db"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'fffffffffff0'")

    with pytest.raises(ServiceError, match="newer MLflow") as refused:
        tracking.summary(key, RUN)

    assert refused.value.status == 409  # a client would retry a 500 for minutes


def test_an_emulator_that_nobody_tracks_with_does_not_import_mlflow() -> None:
    program = (
        "import sys; import mlflow_azureml_backend.emulator.server; "
        "from mlflow_azureml_backend.emulator.application import all_routes; all_routes(); "
        "sys.exit('mlflow' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], env={**os.environ}, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("uri", "blob"),
    [
        ("azureml://h/mlflow/v2.0/x/experiments/1/runs/r/artifacts", "ExperimentRun/dcid.r/f"),
        ("azureml://h/x/experiments/1/runs/r/artifacts/a/b/", "ExperimentRun/dcid.r/a/b/f"),
        ("azureml://artifacts/LocalUpload/folder/model", "LocalUpload/folder/model/f"),
        ("azureml://artifacts/LocalUpload/folder", "LocalUpload/folder/f"),
    ],
)
def test_an_artifact_uri_names_a_folder_of_blobs(uri: str, blob: str) -> None:
    assert artifact_folder_of_uri(uri).artifact_id("f") == blob


@pytest.mark.parametrize("uri", ["azureml://h/x", "file:///etc", "azureml://artifacts/only"])
def test_another_uri_names_no_folder(uri: str) -> None:
    with pytest.raises(ValueError, match="artifact folder"):
        artifact_folder_of_uri(uri)
