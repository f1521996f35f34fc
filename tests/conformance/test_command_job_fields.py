"""Every field of the official command job is said by a config, or it is known why not."""

import json
from functools import cache
from pathlib import Path

import pytest

from mlflow_azureml_backend.translate.job_yaml import job_yaml
from mlflow_azureml_backend.workspace.jobs import as_entity
from tests.conformance.command_job_fields import LATER, NOT_SAID, SAID, fields
from tests.conformance.openapi import FOLDER
from tests.translate.job_cases import CASES
from tests.translate.test_job_yaml import spec_of

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "job-fields.md"
CODE = (
    "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    "/workspaces/w/codes/c/versions/1"
)


@cache
def body(case):
    """Give what azure-ai-ml would send for a case of the golden files."""
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder
    from azure.ai.ml.entities._job.to_rest_functions import to_rest_job_object

    job = as_entity(job_yaml(spec_of(CASES[case]), code=CODE, name="n", context="."))
    job.environment = "azureml:train:4"  # what the inline one becomes before it is sent
    return json.loads(json.dumps(to_rest_job_object(job), cls=SdkJSONEncoder))["properties"]


def at(content, path):
    values = [content]
    for key in path.split("."):
        if key[0].isupper():  # the name of a variant, which its type says
            continue
        values = [
            inner
            for value in values
            for inner in (value.values() if key == "*" else [value[key]] if key in value else [])
        ]
    return values


def test_the_table_names_every_field_of_the_official_api_and_no_other():
    api = json.loads((FOLDER / "2024-04-01" / "mfe.json").read_text(encoding="utf-8"))
    assert fields(api) == set(SAID) | set(NOT_SAID)


@pytest.mark.parametrize("path", [*SAID, *LATER])
def test_a_config_says_the_field(path):
    _, case = {**SAID, **LATER}[path]
    values = at(body(case), path)
    assert values
    assert all(value not in (None, {}, []) for value in values)


def test_the_documented_table_is_this_one():
    lines = [
        f"| `{path}` | {how} | `{case}.yml` |" for path, (how, case) in {**SAID, **LATER}.items()
    ]
    lines += [f"| `{path}` | not said: {why} | |" for path, why in NOT_SAID.items()]
    text = TABLE.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| `")] == lines
