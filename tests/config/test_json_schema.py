"""The JSON Schema of the backend config, by which editors complete it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlflow_azureml_backend.config.schema import BackendConfig
from tests.translate.job_cases import CASES

SCHEMA = BackendConfig.model_json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
# A schema knows the job YAML's own spelling alone; the reader takes any case, as `az ml` does.
SPELLED = {"PyTorch": "pytorch", "Spot": "spot", "UserIdentity": "user_identity"}


def canonical(value):
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return SPELLED.get(value, value) if isinstance(value, str) else value


def test_it_is_a_json_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", CASES)
def test_it_takes_what_the_reader_takes(name):
    VALIDATOR.validate(canonical(CASES[name]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"computer": "x"},
        {"resources": {"instance_count": 0}},
        {"distribution": {"type": "horovod"}},
        {"services": {"s": {"type": "ssh"}}},
        {"queue_settings": {"priority": "urgent"}},
        {"environment_variables": {"A": {"value": "x"}}},
    ],
)
def test_it_refuses_what_the_reader_refuses(wrong):
    assert not VALIDATOR.is_valid(wrong)


def test_every_key_is_described():
    sections = {"": SCHEMA, **SCHEMA["$defs"]}
    missing = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in section.get("properties", {}).items()
        if not {"description", "$ref"} & set(field) and key != "type"
    ]
    own = {"WorkspaceConfig.subscription_id", "WorkspaceConfig.resource_group"}
    assert set(missing) - own <= {"WorkspaceConfig.workspace_name"}


def test_the_sample_configs_are_valid():
    for path in (Path(__file__).parents[2] / "sample_project").glob("*.json"):
        VALIDATOR.validate(json.loads(path.read_text(encoding="utf-8")))
