"""A sweep as YAML: azure-ai-ml reads it as the very sweep that is submitted."""

from __future__ import annotations

import io

import pytest
import yaml

from mlflow_azureml_backend.sweep import Objective, SweepSpec
from mlflow_azureml_backend.translate.sweep_yaml import sweep_yaml
from mlflow_azureml_backend.workspace.sweeps import as_sweep

COMMAND_JOB = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
    "type": "command",
    "name": "name",
    "command": "train ${{search_space.x}} ${{inputs.data}}",
    "code": "azureml:code:1",
    "environment": "azureml:environment:1",
    "environment_variables": {"A": "1"},
    "distribution": {"type": "pytorch", "process_count_per_instance": 2},
    "resources": {"instance_count": 3, "shm_size": "4g", "docker_args": "--gpus"},
    "compute": "azureml:cpu",
    "display_name": "display",
    "experiment_name": "experiment",
    "description": "text",
    "tags": {"t": "1"},
    "properties": {"p": "1"},
    "inputs": {"data": {"type": "uri_file", "path": "azureml://datastores/d/paths/p"}},
    "outputs": {"model": {"type": "uri_folder"}},
    "identity": {"type": "user_identity"},
    "queue_settings": {"job_tier": "spot"},
    "limits": {"timeout": 60},
}
KINDS = {
    "choice": {"values": (1, 0.5, "a", "true")},
    "randint": {"upper": 5},
    **{key: {"min_value": 1, "max_value": 2.5} for key in ("uniform", "loguniform")},
    **{key: {"min_value": 1, "max_value": 9, "q": 2} for key in ("quniform", "qloguniform")},
    **{key: {"mu": 0, "sigma": 1} for key in ("normal", "lognormal")},
    **{key: {"mu": 0, "sigma": 1, "q": 0.5} for key in ("qnormal", "qlognormal")},
}
SPEC = SweepSpec(
    search_space={f"x_{kind}": {"type": kind, **found} for kind, found in KINDS.items()},
    parameters={},
    sampling_algorithm={"type": "random", "rule": "sobol", "seed": 3, "logbase": "e"},
    objective=Objective(goal="minimize", primary_metric="loss"),
    limits={"max_total_trials": 9, "max_concurrent_trials": 3, "timeout": 600},
    early_termination={
        "type": "bandit",
        "slack_amount": 0.5,
        "evaluation_interval": 2,
        "delay_evaluation": 4,
    },
)


def loaded(document):
    from azure.ai.ml import load_job

    return load_job(io.StringIO(yaml.safe_dump(document)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_document_is_the_sweep_that_is_submitted():
    read = loaded(sweep_yaml(COMMAND_JOB, SPEC))
    submitted = as_sweep(loaded(COMMAND_JOB), SPEC)

    assert read._to_rest_object().as_dict() == submitted._to_rest_object().as_dict()


def test_the_document_holds_nothing_but_plain_values():
    assert yaml.safe_load(yaml.safe_dump(sweep_yaml(COMMAND_JOB, SPEC)))["trial"]["resources"] == {
        "instance_count": 3,
        "shm_size": "4g",
        "docker_args": "--gpus",
    }
