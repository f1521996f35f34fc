"""A run is told by the job that starts it, and a job says what it hands down."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.config.inheritance import VARIABLE, hand_down
from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec, LocalImageSpec
from mlflow_azureml_backend.nesting import below_this_job, handing_down, own_requirement

JOB = {"AZUREML_RUN_ID": "the_job"}
SWEEP = {
    "search_space": {"x": {"type": "choice", "values": [1]}},
    "objective": {"goal": "minimize", "primary_metric": "loss"},
}


def read(raw):
    return read_backend_config(raw)[0]


@pytest.mark.parametrize(
    ("raw", "environ", "parent"),
    [
        ({}, {}, None),
        ({}, JOB, "the_job"),
        ({"parent_job_name": "other"}, JOB, "other"),
        ({"parent_job_name": None}, JOB, None),
        ({"workspace": "emulator"}, JOB, None),
        ({"sweep": SWEEP}, JOB, None),
    ],
)
def test_in_a_job_a_run_is_the_child_of_that_job(raw, environ, parent):
    assert below_this_job(read(raw), environ).parent_job_name == parent


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "mlflow-azureml-backend==1.2.3"),
        ({"url": "file:///home/me/it", "dir_info": {"editable": True}}, None),
        ({"url": "file:///tmp/it.whl", "archive_info": {}}, None),
        (
            {
                "url": "https://example.com/it.git",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee"},
            },
            "mlflow-azureml-backend @ git+https://example.com/it.git@c0ffee",
        ),
    ],
)
def test_this_package_is_asked_for_as_it_was_installed(tmp_path, monkeypatch, origin, expected):
    folder = tmp_path / "mlflow_azureml_backend-1.2.3.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: mlflow-azureml-backend\nVersion: 1.2.3\n")
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.setattr(metadata, "distribution", lambda _: metadata.PathDistribution(folder))
    assert own_requirement() == expected


def test_an_image_that_the_client_made_is_handed_down_so_that_no_engine_is_needed():
    config = read({"image": {"repository": "r.io/team/project", "build": True}, "compute": "c"})
    down = hand_down(config, config, env_manager=None, git=None)
    spec = JobSpec(
        command="true",
        code=Path(),
        compute="c",
        experiment_name="e",
        environment=EnvironmentSpec(
            image="r.io/team/project@sha256:00", local=LocalImageSpec(), origin="Dockerfile"
        ),
    )
    said = json.loads(handing_down(spec, down).environment_variables[VARIABLE])
    assert said == {
        "config": {"compute": "c", "environment": {"image": "r.io/team/project@sha256:00"}}
    }
    assert handing_down(spec, None) is spec
