"""Every field of the official SweepJob: how it is said, and that it arrives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.project.spec import EntryPoint, Parameter
from mlflow_azureml_backend.translate.sweep import plan_sweep
from mlflow_azureml_backend.workspace.sweeps import as_sweep
from tests.conformance.openapi import FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sweep.md"
ROW = re.compile(r"^\| `([\w.]+)` \| (.+) \|$", re.MULTILINE)
TABLE = dict(ROW.findall(PAGE.read_text(encoding="utf-8").partition("## Every")[2]))
# Fields that hold fields of their own; the types of each are taken together.
BELOW = {
    "samplingAlgorithm": (
        "RandomSamplingAlgorithm",
        "GridSamplingAlgorithm",
        "BayesianSamplingAlgorithm",
    ),
    "objective": ("Objective",),
    "limits": ("SweepJobLimits",),
    "earlyTermination": ("BanditPolicy", "MedianStoppingPolicy", "TruncationSelectionPolicy"),
    "trial": ("TrialComponent",),
}
ENTRY_POINT = EntryPoint(name="main", command="x", parameters=(Parameter(name="lr"),))


def definitions() -> dict[str, Any]:
    [file] = FOLDER.glob("**/2024-04-01/mfe.json")
    return dict(json.loads(file.read_text(encoding="utf-8"))["definitions"])


def fields_of(known: dict[str, Any], name: str) -> set[str]:
    found = set(known[name].get("properties", ()))
    for base in known[name].get("allOf", ()):
        found |= fields_of(known, base["$ref"].rpartition("/")[2])
    return found


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the official OpenAPI is not beside this checkout")
def test_the_documentation_says_how_to_say_every_official_field_and_no_other() -> None:
    known = definitions()
    expected = fields_of(known, "SweepJob") - set(BELOW)
    for field, names in BELOW.items():
        expected |= {f"{field}.{each}" for name in names for each in fields_of(known, name)}

    assert set(TABLE) == expected


def sweep_body(**section: Any) -> dict[str, Any]:
    """Give what goes over the wire for a command job that says all it can, made a sweep."""
    from azure.ai.ml import Input, Output, PyTorchDistribution, command
    from azure.ai.ml.entities import UserIdentityConfiguration

    trial = command(
        name="name",
        command="train ${{search_space.lr}} ${{inputs.data}}",
        code="azureml:code:1",
        environment="azureml:environment:1",
        environment_variables={"A": "1"},
        distribution=PyTorchDistribution(process_count_per_instance=2),
        instance_count=3,
        instance_type="Standard_D2",
        shm_size="4g",
        docker_args="--gpus",
        compute="cpu",
        display_name="display",
        experiment_name="experiment",
        description="text",
        tags={"t": "1"},
        properties={"p": "1"},
        inputs={"data": Input(type="uri_file", path="azureml://datastores/d/paths/p")},
        outputs={"model": Output(type="uri_folder")},
        identity=UserIdentityConfiguration(),
        job_tier="Spot",
    )
    raw = {
        "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"goal": "maximize", "primary_metric": "accuracy"},
        **section,
    }
    config, _ = read_backend_config({"sweep": raw})
    assert config.sweep is not None
    job = as_sweep(trial, plan_sweep(config.sweep, ENTRY_POINT, {}))
    return dict(json.loads(json.dumps(job._to_rest_object().as_dict()["properties"])))


def test_what_a_command_job_says_arrives_in_its_sweep() -> None:
    body = sweep_body()

    resources = body["trial"].pop("resources")
    assert resources | {"instanceCount": 3, "shmSize": "4g", "dockerArgs": "--gpus"} == resources
    assert body["trial"] == {
        "codeId": "azureml:code:1",
        "command": "train ${{search_space.lr}} ${{inputs.data}}",
        "environmentId": "azureml:environment:1",
        "environmentVariables": {"A": "1"},
        "distribution": {"distributionType": "PyTorch", "processCountPerInstance": 2},
    }
    assert {field: body[field] for field in TABLE if field in body} == {
        "searchSpace": {"lr": ["uniform", [0, 1]]},
        "computeId": "cpu",
        "displayName": "display",
        "experimentName": "experiment",
        "description": "text",
        "tags": {"t": "1"},
        "properties": {"p": "1"},
        "inputs": {"data": {"jobInputType": "uri_file", "uri": "azureml://datastores/d/paths/p"}},
        "outputs": {"model": {"jobOutputType": "uri_folder"}},
        "identity": {"identityType": "UserIdentity"},
        "queueSettings": {"jobTier": "Spot"},
        "jobType": "Sweep",
        "isArchived": False,
    }
    assert body["objective"] == {"goal": "maximize", "primaryMetric": "accuracy"}


DISTRIBUTIONS: list[tuple[dict[str, Any], list[Any]]] = [
    ({"type": "choice", "values": [1, 0.5, "a", True]}, ["choice", [[1, 0.5, "a", "true"]]]),
    ({"type": "randint", "upper": 5}, ["randint", [5]]),
    *(
        ({"type": kind, "min_value": 1, "max_value": 2.5}, [kind, [1, 2.5]])
        for kind in ("uniform", "loguniform")
    ),
    *(
        ({"type": kind, "min_value": 1, "max_value": 9, "q": 2}, [kind, [1, 9, 2]])
        for kind in ("quniform", "qloguniform")
    ),
    *(({"type": kind, "mu": 0, "sigma": 1}, [kind, [0, 1]]) for kind in ("normal", "lognormal")),
    *(
        ({"type": kind, "mu": 0, "sigma": 1, "q": 0.5}, [kind, [0, 1, 0.5]])
        for kind in ("qnormal", "qlognormal")
    ),
]


@pytest.mark.parametrize(
    ("said", "sent"), DISTRIBUTIONS, ids=[each[1][0] for each in DISTRIBUTIONS]
)
def test_every_distribution_arrives(said: dict[str, Any], sent: list[Any]) -> None:
    assert sweep_body(search_space={"lr": said})["searchSpace"] == {"lr": sent}


CHOICE = {"lr": {"type": "choice", "values": [1, 2]}}
SECTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "samplingAlgorithm",
        {"sampling_algorithm": {"type": "random", "rule": "sobol", "seed": 3, "logbase": "e"}},
        {"samplingAlgorithmType": "Random", "rule": "sobol", "seed": 3, "logbase": "e"},
    ),
    (
        "samplingAlgorithm",
        {"sampling_algorithm": "grid", "search_space": CHOICE},
        {"samplingAlgorithmType": "Grid"},
    ),
    (
        "samplingAlgorithm",
        {"sampling_algorithm": "bayesian"},
        {"samplingAlgorithmType": "Bayesian"},
    ),
    (
        "limits",
        {
            "limits": {
                "max_total_trials": 9,
                "max_concurrent_trials": 3,
                "timeout": 600,
                "trial_timeout": 60,
            }
        },
        {
            "jobLimitsType": "Sweep",
            "maxTotalTrials": 9,
            "maxConcurrentTrials": 3,
            "timeout": "PT10M",
            "trialTimeout": "PT1M",
        },
    ),
    (
        "earlyTermination",
        {
            "early_termination": {
                "type": "bandit",
                "slack_factor": 0.1,
                "evaluation_interval": 2,
                "delay_evaluation": 5,
            }
        },
        {
            "policyType": "Bandit",
            "slackFactor": 0.1,
            "slackAmount": 0,
            "evaluationInterval": 2,
            "delayEvaluation": 5,
        },
    ),
    (
        "earlyTermination",
        {"early_termination": {"type": "median_stopping"}},
        {"policyType": "MedianStopping", "evaluationInterval": 1, "delayEvaluation": 0},
    ),
    (
        "earlyTermination",
        {"early_termination": {"type": "truncation_selection", "truncation_percentage": 20}},
        {
            "policyType": "TruncationSelection",
            "truncationPercentage": 20,
            "evaluationInterval": 1,
            "delayEvaluation": 0,
        },
    ),
]


@pytest.mark.parametrize(("field", "section", "sent"), SECTIONS)
def test_every_key_of_a_section_arrives(
    field: str, section: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert sweep_body(**section)[field] == sent
