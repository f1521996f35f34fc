"""A run tells which exact packages its job gets, in whichever store it lives."""

from pathlib import Path

import pytest

from mlflow_azureml_backend.job import EnvironmentSpec, JobHandle, WorkspaceRef
from mlflow_azureml_backend.locking.environment_lock import LockedEnvironment
from mlflow_azureml_backend.project import (
    EntryPoint,
    EnvironmentKind,
    ProjectEnvironment,
    ProjectSpec,
)
from mlflow_azureml_backend.tracking import open_run
from mlflow_azureml_backend.tracking.choice import Mode

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
OF_WORKSPACE = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{WORKSPACE.arm_id}"
LOCKED = LockedEnvironment(
    spec=EnvironmentSpec(image="i", origin="conda.yaml, locked"),
    file=Path("conda-lock.yml"),
    sha256="0" * 64,
    text="# größe\ndependencies: []\n",
)


def opened(experiment_id, job_run, *, job_name, mode):
    return open_run(
        ProjectSpec(
            name="p",
            root=Path.cwd(),
            uri=".",
            version=None,
            entry_point=EntryPoint(name="main", command="true"),
            parameters={},
            environment=ProjectEnvironment(kind=EnvironmentKind.NONE),
        ),
        job_name=job_name,
        job_run=job_run,
        workspace=WORKSPACE,
        mode=mode,
        experiment_id=experiment_id,
        backend_name="azureml",
        run_name=None,
        parameters={},
        locked=LOCKED,
    )


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.WORKSPACE])
def test_the_run_has_the_lock_s_hash_and_packages(client, experiment_id, run_id, job_run, mode):
    session = opened(experiment_id, job_run, job_name=run_id, mode=mode)
    session.submitted(JobHandle(workspace=WORKSPACE, job_name=run_id))

    assert client.get_run(session.run_id).data.tags["azureml.environment_lock"] == "0" * 64
    file = client.download_artifacts(session.run_id, "azureml/environment.lock.yml")
    assert Path(file).read_text(encoding="utf-8") == LOCKED.text


def test_a_store_that_takes_no_artifacts_does_not_fail_the_run(client, job_run, caplog):
    experiment = client.create_experiment("no artifacts", artifact_location="nowhere://x")

    session = opened(experiment, job_run, job_name="job_1", mode=Mode.MIRROR)

    assert client.get_run(session.run_id).data.tags["azureml.environment_lock"] == "0" * 64
    assert "azureml/environment.lock.yml could not be logged" in caplog.text
