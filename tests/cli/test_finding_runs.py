"""RUN is an MLflow run id, a job's name, or `latest`."""

from __future__ import annotations

import json

import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.errors import ConfigError, NotFoundError, TrackingError
from mlflow_azureml_backend.runs import find_run


def test_a_run_is_found_by_its_id_and_by_its_jobs_name(in_world):
    by_id = find_run(in_world.runs["trained"])

    assert by_id.run_id == in_world.runs["trained"]
    assert by_id.handle == in_world.handle("trained")
    assert find_run("trained") == by_id
    assert find_run("trained", workspace=in_world.workspace.arm_id) == by_id


def test_a_job_that_no_store_knows_is_found_in_the_workspace(in_world):
    found = find_run("foreign", workspace=in_world.workspace)

    assert (found.job_name, found.run_id) == ("foreign", None)
    assert found == find_run("foreign"), "the variables name the workspace too"


def test_latest_is_the_newest_run_of_the_store_and_the_newest_job_of_a_workspace(in_world):
    assert find_run("latest").run_id == in_world.runs["broken"]
    assert find_run("latest", workspace=in_world.workspace).job_name == "foreign"


def test_with_the_workspace_as_store_the_run_id_is_the_jobs_name(in_world, monkeypatch):
    import mlflow

    host = "eastus.api.azureml.ms"
    mlflow.set_tracking_uri(f"azureml://{host}/mlflow/v1.0{in_world.workspace.arm_id}")
    monkeypatch.delenv("AZUREML_ARM_WORKSPACE_NAME")

    assert find_run("trained").run_id is None
    assert find_run("trained").job_name == "trained"
    assert find_run("latest").job_name == "foreign"
    names = [run.job_name for run in mlflow_azureml_backend.list_runs()]
    assert names == ["foreign", "broken", "trained"]


def test_a_config_file_names_the_workspace(in_world, tmp_path, monkeypatch):
    monkeypatch.delenv("AZUREML_ARM_WORKSPACE_NAME")
    monkeypatch.delenv("AZUREML_ARM_SUBSCRIPTION")
    file = tmp_path / "elsewhere" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"Scope": in_world.workspace.arm_id}))

    assert find_run("foreign", workspace=str(file)).job_name == "foreign"
    with pytest.raises(NotFoundError, match="name its workspace: --workspace"):
        find_run("foreign")


@pytest.mark.parametrize(
    ("reference", "workspace", "kind", "message"),
    [
        ("nobody", None, NotFoundError, "no job of that name in workspace 'cli'"),
        ("0" * 32, None, NotFoundError, "There is no run '0000"),
        ("../trained", None, NotFoundError, "neither an MLflow run id"),
        ("a' or 'a' = 'a", None, NotFoundError, "neither an MLflow run id"),
        ("trained", "no/such/file.json", ConfigError, "--workspace no/such/file.json"),
    ],
)
def test_what_is_not_there_is_one_clear_message(in_world, reference, workspace, kind, message):
    with pytest.raises(kind, match=message):
        find_run(reference, workspace=workspace)


def test_a_run_of_another_backend_has_no_job(in_world):
    from mlflow import MlflowClient

    run_id = MlflowClient().create_run("0").info.run_id

    with pytest.raises(TrackingError, match="has no Azure ML job"):
        find_run(run_id)


def test_no_store_is_made_by_asking_for_a_run(in_world, tmp_path):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'new.db'}")

    assert find_run("foreign").run_id is None
    assert mlflow_azureml_backend.list_runs() == []
    with pytest.raises(NotFoundError, match="has no run of this backend"):
        find_run("latest")
    assert not (tmp_path / "new.db").exists()


def test_the_public_names_are_there():
    for name in mlflow_azureml_backend.__all__:
        assert getattr(mlflow_azureml_backend, name)
