"""Steps of a project as one pipeline job, from `mlflow run` to their runs in the user's store."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
PROJECT = str(Path(__file__).parent / "projects" / "stepping")
HOSTILE = "${{parent.inputs.raw}} $(touch no) 'too'"


@pytest.fixture
def config(emulator: Any) -> dict[str, Any]:
    """Name a workspace of the emulator that runs jobs as they are, without building anything."""
    from mlflow_azureml_backend.emulator.administration import request

    workspace = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(workspace.values())}")
    return {
        "workspace": workspace,
        "compute": "cpu-cluster",
        "environment_variables": {"TOKEN": {"value": "hush", "secret": True}},
        "steps": {
            "prepare": {"parameters": {"raw": "{raw}"}, "outputs": {"data": {}}},
            "fit": {
                "entry_point": "train",
                "parameters": {"data": "prepare.data", "label": "{label}", "code": "{code}"},
                "outputs": {"model": {}},
            },
        },
    }


def by_name(runs):
    return {run.data.tags["mlflow.runName"]: run for run in runs}


def test_steps_are_one_run_with_a_child_for_each_and_their_lines(
    mlflow_run, client, config, tmp_path
):
    raw = tmp_path / "given.txt"
    raw.write_text("a\nb\nc\n")
    result = mlflow_run(
        PROJECT,
        *("--backend-config", json.dumps(config), "--run-name", "whole"),
        *("-P", f"raw={raw}", "-P", f"label={HOSTILE}"),
    )

    assert result.exit_code == 0, result.stderr
    out = result.stdout.splitlines()
    assert "[prepare] said 'prepared' after ['a', 'b', 'c']" in out
    assert f"[fit] said {HOSTILE!r} after ['a', 'b', 'c', 'prepared']" in out
    assert "[fit] a secret of 4 characters" in out
    told = result.stderr.splitlines()
    assert [line for line in told if line.startswith("Step ") and "Running" not in line] == [
        "Step prepare  Completed",
        "Step fit  Completed",
    ]
    runs = by_name(client.search_runs([client.get_experiment_by_name("sample").experiment_id]))
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ["whole", "prepare", "fit"], "FINISHED"
    )
    whole, fit = runs["whole"], runs["fit"]
    assert whole.data.params == {"raw": str(raw), "label": HOSTILE, "code": "0"}
    assert fit.data.tags["mlflow.parentRunId"] == whole.info.run_id
    assert fit.data.tags["mlflow.project.entryPoint"] == "train"
    assert fit.data.tags["mlflow.source.type"] == "PROJECT"
    assert fit.data.params["label"] == HOSTILE
    assert fit.data.metrics == {"lines": 4}
    assert runs["prepare"].data.metrics == {"lines": 3}


@pytest.mark.slow
def test_a_step_that_fails_fails_the_run_and_is_named(mlflow_run, client, config, tmp_path):
    from mlflow_azureml_backend.cli import main

    result = mlflow_run(PROJECT, "--backend-config", json.dumps(config), "-P", "code=3")

    assert result.exit_code == 1
    assert "Step 'fit' failed: " in result.stderr
    assert "exit code 3" in result.stderr
    assert "lines of step fit:" in result.stderr
    assert "    said 'plain' after ['one', 'two', 'prepared']" in result.stderr
    runs = client.search_runs([client.get_experiment_by_name("sample").experiment_id])
    statuses = {run.data.tags.get("azureml.step"): run.info.status for run in runs}
    assert statuses == {None: "FAILED", "prepare": "FINISHED", "fit": "FAILED"}
    [whole] = [run for run in runs if "azureml.step" not in run.data.tags]

    [fit, prepare] = (
        next(run for run in runs if run.data.tags.get("azureml.step") == name)
        for name in ("fit", "prepare")
    )

    def verb(name, run=whole):
        return CliRunner().invoke(main, [name, run.info.run_id])

    assert verb("status").stdout.splitlines() == ["Failed", "prepare\tCompleted", "fit\tFailed"]
    assert "[prepare] said 'prepared' after ['one', 'two']" in verb("logs").stdout
    assert "said 'plain' after ['one', 'two', 'prepared']" in verb("logs", fit).stdout.splitlines()
    assert "Failed" in verb("show").stdout
    assert verb("download", prepare).exit_code == 0
    [lines] = tmp_path.glob("*/named-outputs/data/lines.txt")
    assert lines.read_text() == "one\ntwo\nprepared\n"


@pytest.mark.campaign
def test_a_pipeline_is_found_again_and_canceled_with_its_steps(client, config):
    import mlflow

    from mlflow_azureml_backend import attach

    config["steps"]["prepare"]["entry_point"] = "sleep.sh"
    config["steps"]["prepare"]["parameters"] = {}
    submitted = mlflow.projects.run(
        PROJECT,
        backend="azureml",
        backend_config={**config, "stream": False},
        experiment_name="sample",
        synchronous=False,
    )
    again = attach(submitted.run_id)
    again.cancel()
    assert again.get_status() == "KILLED"
    assert not attach(submitted.run_id).wait()

    runs = client.search_runs([client.get_experiment_by_name("sample").experiment_id])
    assert {run.info.status for run in runs} == {"KILLED"}
    assert len(runs) <= 2


@pytest.mark.campaign
def test_the_rendered_pipeline_is_the_one_that_is_submitted(client, config, signed_in, tmp_path):
    import mlflow
    from azure.ai.ml import MLClient, load_job
    from azure.identity import EnvironmentCredential

    from mlflow_azureml_backend.cli import main
    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.workspace import connect
    from mlflow_azureml_backend.workspace.jobs import read_job

    config["environment_variables"] = {"TOKEN": "open"}
    config["steps"]["fit"] |= {
        "environment": {"image": "ubuntu:22.04", "conda_file": {"dependencies": ["python=3.11"]}},
        "resources": {"shm_size": "4g"},
        "limits": {"timeout": 600},
        "outputs": {"model": {"type": "custom_model", "name": "fitted"}},
        "inputs": {"data": {"mode": "download"}},
    }
    file = tmp_path / "job.yml"
    rendered = CliRunner().invoke(
        main, ["render", PROJECT, "-c", json.dumps(config), "-o", str(file)]
    )
    assert rendered.exit_code == 0, rendered.output
    sdk = MLClient(EnvironmentCredential(), *config["workspace"].values())
    theirs = sdk.jobs.create_or_update(load_job(file), experiment_name="sample")
    ours = mlflow.projects.run(
        PROJECT,
        backend="azureml",
        backend_config={**config, "stream": False},
        experiment_name="sample",
        synchronous=True,
    )

    def body(name):
        connection = connect(WorkspaceRef(**config["workspace"]))._connection
        sent = read_job(connection, name)["properties"]
        return {key: sent[key] for key in ("jobs", "inputs", "settings", "tags")}

    assert ours.get_status() == "FINISHED"
    assert body(ours.job_name) == body(theirs.name)
    steps = {job.display_name: job for job in sdk.jobs.list(parent_job_name=ours.job_name)}
    assert {name: job.status for name, job in steps.items()} == dict.fromkeys(
        ["prepare", "fit"], "Completed"
    )
    sdk.jobs.stream(theirs.name)
    assert {model.version for model in sdk.models.list(name="fitted")} == {"1", "2"}


@pytest.mark.slow
def test_the_documented_pipeline_runs(mlflow_run, emulator, client, tmp_path):
    page = (ROOT / "docs" / "how-to" / "pipeline.md").read_text(encoding="utf-8")
    block = dict(re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL))
    [command] = re.findall(r"`mlflow run \. (.*?)`", page)
    (tmp_path / "MLproject").write_text(block["yaml"])
    (tmp_path / "pipeline.json").write_text(block["json"])
    (tmp_path / "data.csv").write_text("1\n2\n")
    for script in ("prepare.py", "train.py"):
        # The place to write to is the last argument of both.
        (tmp_path / script).write_text(
            "import pathlib, sys\nprint(sys.argv[1:])\n"
            "pathlib.Path(sys.argv[-1], 'made').write_text('x')\n"
        )

    result = mlflow_run(".", *shlex.split(command.replace("--backend azureml ", "")))

    assert result.exit_code == 0, result.stderr
    assert "[prepare] ['data.csv', " in result.stdout
    assert "'--rate', '0.5', '--model', " in result.stdout
