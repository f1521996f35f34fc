"""Sweeps, from `mlflow run` to the trials in the user's store."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

PROJECT = str(Path(__file__).parent / "projects" / "sweeping")
LABELS = ["plain", "two words", "$(touch no) \"quoted\" 'too'", "${{inputs.x}}"]


@pytest.fixture
def sweep_config(emulator: Any) -> dict[str, Any]:
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
        "sweep": {
            "search_space": {
                "learning-rate": {"type": "choice", "values": [0.1, 0.5]},
                "label": {"type": "choice", "values": LABELS},
            },
            "sampling_algorithm": "grid",
            "objective": {"goal": "maximize", "primary_metric": "accuracy"},
            "limits": {"max_concurrent_trials": 4},
        },
    }


def test_a_sweep_gives_the_user_its_trials_and_the_best_of_them(mlflow_run, client, sweep_config):
    result = mlflow_run(PROJECT, "--backend-config", json.dumps(sweep_config), "-P", "layers=2")

    assert result.exit_code == 0, result.stderr
    experiment = client.get_experiment_by_name("sample").experiment_id
    found = client.search_runs([experiment])
    [parent] = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    trials = [run for run in found if run is not parent]
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"layers": "2", "fixed": "same"}
    assert len(trials) == 8
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert {run.info.status for run in trials} == {"FINISHED"}
    assert {run.data.params["label"] for run in trials} == set(LABELS)
    assert {run.data.params["label_in_the_job"] for run in trials} == set(LABELS)
    job = parent.data.tags["azureml.job_name"]
    assert sorted(run.data.tags["azureml.job_name"] for run in trials) == [
        f"{job}_{number}" for number in range(8)
    ]

    best = parent.data.tags["azureml.best_trial"]
    [winner] = [run for run in trials if run.data.tags["azureml.job_name"] == best]
    assert winner.data.params["learning-rate"] == "0.1"
    assert parent.data.tags["azureml.best_trial.learning-rate"] == "0.1"
    assert parent.data.metrics["accuracy"] == pytest.approx(0.98)
    assert len(client.get_metric_history(winner.info.run_id, "accuracy")) == 3
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "sweep")] == [
        "sweep/trials.svg",
        "sweep/trials.txt",
    ]
    assert "Sweep        trials until" in result.stderr
    assert "accuracy=0.98" in result.stderr
    assert f"({best})" in result.stderr
    [starred] = [line for line in result.stderr.splitlines() if line.startswith("*")]
    assert "Completed  0.98" in starred


@pytest.mark.campaign
def test_a_sweep_is_found_again_by_its_run_and_mirrored_once(client, sweep_config):
    import mlflow

    from mlflow_azureml_backend import attach

    submitted = mlflow.projects.run(
        PROJECT,
        backend="azureml",
        backend_config={**sweep_config, "stream": False},
        experiment_name="sample",
        synchronous=False,
    )
    assert attach(submitted.run_id).wait()
    assert attach(submitted.run_id).wait()
    assert submitted.wait()

    experiment = client.get_experiment_by_name("sample").experiment_id
    assert len(client.search_runs([experiment])) == 9
    assert len(client.search_runs([experiment], "params.`learning-rate` = '0.1'")) == 4


def test_what_is_wrong_with_a_sweep_is_said_at_once_and_nothing_is_created(
    mlflow_run, client, sweep_config
):
    sweep_config["sweep"]["search_space"] = {
        "learning-rate": {"type": "uniform", "min_value": 1, "max_value": 0},
        "depth": {"type": "randint", "upper": 3},
    }

    result = mlflow_run(
        PROJECT,
        "--backend-config",
        json.dumps(sweep_config),
        "-P",
        "learning-rate=1",
        "-P",
        "label=x",
    )

    assert result.exit_code == 1
    assert "5 problems" in result.stderr
    assert "entry point 'main' declares no such parameter" in result.stderr
    assert client.search_runs([client.get_experiment_by_name("sample").experiment_id]) == []


@pytest.mark.campaign
def test_twenty_trials_run_four_at_a_time_and_the_best_is_found(mlflow_run, client, sweep_config):
    sweep_config["sweep"] |= {
        "search_space": {
            "learning-rate": {"type": "uniform", "min_value": 0, "max_value": 1},
            "layers": {"type": "randint", "upper": 8},
            "label": {"type": "choice", "values": ["a", "b"]},
        },
        "sampling_algorithm": {"type": "random", "rule": "sobol", "seed": 1},
        "limits": {"max_total_trials": 20, "max_concurrent_trials": 4, "trial_timeout": 600},
        "early_termination": {"type": "median_stopping", "delay_evaluation": 100},
    }

    result = mlflow_run(PROJECT, "--backend-config", json.dumps(sweep_config))

    assert result.exit_code == 0, result.stderr
    experiment = client.get_experiment_by_name("sample").experiment_id
    trials = client.search_runs([experiment], "tags.mlflow.parentRunId != ''")
    assert len(trials) == 20
    assert len({run.data.params["learning-rate"] for run in trials}) == 20
    [parent] = client.search_runs([experiment], "tags.`azureml.best_trial` != ''")
    assert parent.data.metrics["accuracy"] == max(run.data.metrics["accuracy"] for run in trials)
