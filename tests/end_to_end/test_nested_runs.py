"""Entry points that start runs on Azure ML themselves: real jobs that submit real jobs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path

import mlflow
import pytest

import mlflow_azureml_backend

PROJECTS = Path(__file__).parent / "projects"
VALUE = "it's $(id) ${{x}}"


@pytest.fixture(scope="session")
def plugin_folder(request) -> Path:
    """Give a folder with azureml-mlflow; the jobs have everything else from this Python."""
    from packaging.requirements import Requirement

    from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

    uv = pytest.importorskip("uv", reason="uv installs azureml-mlflow")
    release = packaged_releases().releases[0]
    installed = {item.metadata["Name"].lower() for item in metadata.distributions()}
    lacking = [text for text in release.requirements if Requirement(text).name not in installed]
    packages = [f"azureml-mlflow=={release.version}", *lacking]
    folder = Path(request.config.cache.mkdir(f"azureml-mlflow-{release.version}"))
    done = folder / "done"
    if not done.exists() or done.read_text() != str(packages):
        command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable]
        command += ["--target", str(folder), "--no-deps", *packages]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"azureml-mlflow cannot be installed: {made.stderr.strip()[-300:]}")
        done.write_text(str(packages))
    return folder


@pytest.fixture
def nested_config(emulator, plugin_folder):
    """Name a workspace of the emulator that runs jobs as they are, with this package in them."""
    from mlflow_azureml_backend.emulator.administration import request

    workspace = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(workspace.values())}")
    ours = Path(mlflow_azureml_backend.__file__).parents[1]
    variables = {"PYTHONPATH": f"{ours}:{plugin_folder}", "MLFLOW_DISABLE_TELEMETRY": True}
    return {
        "workspace": workspace,
        "compute": "cpu-cluster",
        "environment_variables": variables,
    }


def submit(project, config, **options):
    return mlflow.projects.run(
        str(PROJECTS / project),
        backend="azureml",
        backend_config=config,
        experiment_name="sample",
        **options,
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("managed", marks=pytest.mark.slow),
        pytest.param("user_identity", marks=pytest.mark.campaign),
    ],
)
def test_a_job_starts_a_run_with_no_configuration(
    nested_config, client, monkeypatch, capfd, identity
):
    from mlflow_azureml_backend.config.location import WorkspaceRef
    from mlflow_azureml_backend.workspace import connect
    from mlflow_azureml_backend.workspace.jobs import read_job

    monkeypatch.setenv("OF_CLIENT", "from the client")
    config = {**nested_config, "identity": {"type": identity}, "tags": {"team": "research"}}
    config["environment_variables"] |= {
        "OPEN": "é",
        "FROM_CLIENT": "${env:OF_CLIENT}",
        "SECRET": {"value": "the secret", "secret": True},
    }

    run = submit("starting_runs", config, parameters={"text": VALUE})

    said = capfd.readouterr()
    assert run.get_status() == "FINISHED", said
    assert client.get_run(run.run_id).data.params["heard"] == VALUE
    # What the inner run printed is in the log of the outer one.
    for line in ("the parent is the job: True", "OPEN is é", "FROM_CLIENT is from the client"):
        assert line in said.out
    assert "SECRET is the secret" in said.out
    workspace = connect(WorkspaceRef(**nested_config["workspace"]))
    [child] = [job.job_name for job in workspace.jobs() if job.job_name != run.job_name]
    job = read_job(workspace._connection, child)["properties"]
    assert job["parentJobName"] == run.job_name
    assert job["tags"]["team"] == "research"
    assert job["identity"]["identityType"].lower() == identity.replace("_", "")
    assert "the secret" not in str(job)
    logged = workspace.tracked_run(child).read()
    tags = {tag["key"]: tag["value"] for tag in logged["data"]["tags"]}
    assert tags["mlflow.parentRunId"] == run.job_name
    assert tags["mlflow.project.entryPoint"] == "step"
    # What was submitted is kept with the run, here and there, and no secret in it.
    kept = mlflow.artifacts.load_text(f"runs:/{run.run_id}/azureml/job.yml")
    assert "python main.py 'it'" in kept
    assert "the secret" not in kept
    files = {file["path"] for file in workspace.tracked_run(child).artifacts()}
    assert "azureml/job.yml" in files
    # The job has no repository to look the commit up in.
    parent = client.get_run(run.run_id)
    assert tags["mlflow.source.git.commit"] == parent.data.tags["mlflow.source.git.commit"]
    # In the user's own store it is a child as well.
    [mirrored] = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{run.run_id}'"
    )
    assert mirrored.info.status == "FINISHED"
    assert mirrored.data.params == {"text": VALUE, "heard": VALUE}
    assert mirrored.data.tags["azureml.job_name"] == child
    assert mirrored.data.tags["mlflow.project.entryPoint"] == "step"


def children_of(client, run_id):
    experiment = client.get_run(run_id).info.experiment_id
    return client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'")


@pytest.mark.campaign
@pytest.mark.timeout(300)
def test_a_step_inside_of_the_job_has_a_run_of_its_own(nested_config, client, capfd):
    run = submit("starting_runs", nested_config, entry_point="inside", parameters={"text": VALUE})

    assert f"a run of its own: True {VALUE}" in capfd.readouterr().out
    [child] = children_of(client, run.run_id)
    assert child.info.status == "FINISHED"
    assert child.data.params["heard"] == VALUE
    # It was no job.
    assert "azureml.job_name" not in child.data.tags


@pytest.mark.campaign
@pytest.mark.timeout(300)
def test_a_script_on_the_user_s_machine_starts_jobs_below_its_own_run(
    nested_config, client, monkeypatch
):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    run = mlflow.projects.run(
        str(PROJECTS / "starting_runs"),
        "from_here",
        parameters={"config": json.dumps(nested_config), "text": "over there"},
        experiment_name="sample",
        env_manager="local",
    )

    assert run.run_id
    [child] = children_of(client, run.run_id)
    assert child.info.status == "FINISHED"
    assert child.data.params == {"text": "over there", "heard": "over there"}
    assert child.data.tags["azureml.job_name"]


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_mlflow_s_multi_step_workflow_finds_its_results_again(nested_config, client, capfd):
    first = submit("multistep", dict(nested_config))
    said = capfd.readouterr().out
    second = submit("multistep", dict(nested_config), parameters={"keras_hidden_units": 30})

    steps = ["load_raw_data", "etl_data", "als", "train_keras"]
    lines = [line for line in said.splitlines() if line.endswith((": launched", ": found"))]
    assert lines == [f"{name}: launched" for name in steps]
    lines = [
        line
        for line in capfd.readouterr().out.splitlines()
        if line.endswith((": launched", ": found"))
    ]
    assert lines == [*(f"{name}: found" for name in steps[:3]), "train_keras: launched"]
    runs = {
        run.data.tags["mlflow.project.entryPoint"]: run for run in children_of(client, first.run_id)
    }
    assert set(runs) == set(steps)
    assert runs["etl_data"].data.metrics == {"rows": 100}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    [again] = children_of(client, second.run_id)
    assert again.data.params["hidden_units"] == "30"
    assert client.get_run(second.run_id).data.metrics == again.data.metrics


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_steps_run_side_by_side(nested_config, client):
    run = submit("starting_runs", nested_config, entry_point="search")

    found = client.get_run(run.run_id).data.params["found"]
    assert found == str([(True, "0"), (True, "1"), (True, "2")])
    children = children_of(client, run.run_id)
    assert sorted(child.data.params["heard"] for child in children) == ["0", "1", "2"]
    assert {child.info.status for child in children} == {"FINISHED"}


LOAD = """\
import mlflow
with mlflow.start_run():
    mlflow.log_text("1\\n2\\n3\\n", "rows/rows.txt")
"""
TRAIN = """\
import pathlib, sys, mlflow
rows = (pathlib.Path(sys.argv[1]) / "rows.txt").read_text().split()
with mlflow.start_run():
    mlflow.log_metric("loss", float(sys.argv[2]) * len(rows))
"""
MLPROJECT = """\
entry_points:
  main: {command: python main.py}
  load: {command: python load.py}
  train: {parameters: {data: path, alpha: float}, command: "python train.py {data} {alpha}"}
"""


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_documented_script_works(nested_config, client, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "multi-step.md"
    [script] = re.findall(
        r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    project = tmp_path / "project"
    project.mkdir()
    files = {"MLproject": MLPROJECT, "main.py": script, "load.py": LOAD, "train.py": TRAIN}
    for name, text in files.items():
        (project / name).write_text(text)

    run = submit(str(project), nested_config)

    assert client.get_run(run.run_id).data.metrics["loss"] == 1.5
    steps = {
        child.data.tags["mlflow.project.entryPoint"]: child.data.tags
        for child in children_of(client, run.run_id)
    }
    assert set(steps) == {"load", "train"}
    assert steps["train"]["step"] == "train"
