"""A pipeline as YAML: azure-ai-ml takes it, and makes of it what was meant."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mlflow_azureml_backend.errors import AzureMLBackendError
from mlflow_azureml_backend.plan import plan_run
from mlflow_azureml_backend.workspace.jobs import as_entity

PROJECT = str(Path(__file__).parent.parent / "projects" / "multi_step")
PREPARE = {"parameters": {"raw": "{raw}", "rows": "{rows}"}, "outputs": {"data": {}}}
CODE = (
    "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    "/workspaces/w/codes/c/versions/1"
)
# What only somebody who means harm would write.
HOSTILE = "${{parent.jobs.prepare.outputs.data}} ${{inputs.data}} {inputs.data} '$(id)'\n\""


def planned(steps, *, values=None, **config):
    return plan_run(
        PROJECT,
        version=None,
        entry_point="main",
        parameters=values or {},
        backend_config={"steps": steps, "environment": "azureml:e:1", **config},
        experiment_name="Default",
        run_name=None,
    )


def train(**keys):
    parameters = {"data": "prepare.data", "label": "{label}"}
    return {"parameters": parameters, "outputs": {"model": {}}, **keys}


def nodes(plan):
    """Give the nodes as azure-ai-ml sends them, and their components."""
    job = as_entity(plan.document(code=CODE))
    assert job._validate().error_messages == {}
    components = {
        name: node.component._to_rest_object().as_dict()["properties"]["componentSpec"]
        for name, node in job.jobs.items()
    }
    for node in job.jobs.values():
        node._component = "azureml:/component"
    sent = job._to_rest_object().as_dict()["properties"]
    return sent, components


def test_each_key_of_a_step_arrives_at_its_node():
    identity = {"type": "managed", "msi_resource_id": "/subscriptions/s/identities/train"}
    sent, components = nodes(
        planned(
            {
                "prepare": PREPARE,
                "train": train(
                    inputs={"data": {"type": "mltable", "mode": "download"}, "note": "text"},
                    outputs={"model": {"type": "mlflow_model", "name": "m", "version": 2}},
                    compute="gpu",
                    environment={"image": "train:1"},
                    environment_variables={"B": 2},
                    resources={"instance_count": 2, "shm_size": "4g"},
                    distribution={"type": "pytorch", "process_count_per_instance": 4},
                    limits={"timeout": 60},
                    queue_settings={"job_tier": "spot"},
                    services={"board": {"type": "tensor_board"}},
                    identity=identity,
                    is_deterministic=True,
                ),
            },
            compute="cpu",
            environment_variables={"A": 1},
            resources={"docker_args": "--init"},
            identity={"type": "user_identity"},
            inputs={"raw": {"path": "https://example.com/raw.csv", "mode": "download"}},
        )
    )

    node = sent["jobs"]["train"]
    assert node["computeId"] == "gpu"
    assert node["environment_variables"] == {"A": "1", "B": "2"}
    assert node["resources"] == {"instance_count": 2, "shm_size": "4g", "docker_args": "--init"}
    assert node["distribution"]["process_count_per_instance"] == 4
    assert node["limits"]["timeout"] == "PT1M"
    assert node["queue_settings"] == {"job_tier": "Spot"}
    assert node["services"]["board"]["job_service_type"] == "TensorBoard"
    assert node["identity"]["resource_id"] == identity["msi_resource_id"]
    assert node["inputs"]["data"] == {
        "value": "${{parent.jobs.prepare.outputs.data}}",
        "job_input_type": "literal",
        "mode": "Download",
    }
    assert node["outputs"]["model"]["name"] == "m"
    assert components["train"]["is_deterministic"] is True
    assert components["train"]["inputs"] == {
        "data": {"type": "mltable"},
        "note": {"type": "string"},
    }
    assert components["train"]["environment"]["image"] == "train:1"
    assert components["prepare"]["is_deterministic"] is False
    assert components["prepare"]["environment"] == "azureml:e:1"
    assert "computeId" not in sent["jobs"]["prepare"]
    assert sent["jobs"]["prepare"]["inputs"]["raw"]["mode"] == "Download"
    assert sent["identity"] == {"identityType": "UserIdentity"}
    assert sent["settings"]["default_compute"] == "cpu"


def test_a_value_of_the_user_is_no_expression_in_any_step():
    sent, components = nodes(
        planned({"prepare": PREPARE, "train": train()}, values={"label": HOSTILE})
    )

    command = components["train"]["command"]
    assert command.count("${{") == 2  # its own input and output
    assert {"'${{inputs.data}}'", "'${{outputs.model}}'"} <= set(command.split())
    assert set(sent["jobs"]["train"]["inputs"]) == {"data"}


def test_data_of_a_step_alone_becomes_an_input_of_the_pipeline():
    steps = {
        "train": {
            "parameters": {"data": "https://example.com/a.csv"},
            "inputs": {"data": {"mode": "direct"}},
            "outputs": {"model": {}},
        }
    }
    sent, _ = nodes(planned(steps))

    assert sent["inputs"]["train_data"]["uri"] == "https://example.com/a.csv"
    assert sent["jobs"]["train"]["inputs"]["data"]["value"] == "${{parent.inputs.train_data}}"
    assert sent["jobs"]["train"]["inputs"]["data"]["mode"] == "Direct"
    assert sent["settings"]["default_compute"] == "serverless"


def test_secrets_of_a_step_are_in_no_document():
    secret = {"TOKEN": {"value": "not to be seen", "secret": True}}
    plan = planned({"prepare": PREPARE | {"environment_variables": secret}})

    assert "not to be seen" not in plan.text() + repr(plan)
    assert "MLFLOW_AZUREML_SECRETS" in plan.text()


@pytest.mark.parametrize(
    ("steps", "values", "message"),
    [
        (
            {"prepare": PREPARE, "train": train(environment_variables={"X": "${{a}}"})},
            {"rows": "many"},
            "'rows' must be a whole number",
        ),
        (
            {
                "prepare": {**PREPARE, "parameters": {"raw": "{raw}", "rows": "few"}},
                "train": train(environment_variables={"X": "${{a}}"}),
            },
            {},
            "2 problems:\n  - steps.prepare: Parameter 'rows' must be a whole number",
        ),
        (
            {"train": {"parameters": {"data": "ssh://x/y"}, "outputs": {"model": {}}}},
            {},
            "steps.train: 'data': 'ssh://x/y' is of a kind that no job can read",
        ),
    ],
)
def test_what_no_job_could_be_is_refused(steps, values, message):
    with pytest.raises(AzureMLBackendError) as caught:
        planned(steps, values=values)
    assert message in str(caught.value)


def test_a_step_without_its_own_environment_follows_the_one_of_all():
    plan = planned({"prepare": PREPARE, "train": train(environment="azureml:other:2")})
    moved = dataclasses.replace(
        plan.spec, environment=dataclasses.replace(plan.spec.environment, reference="azureml:f:3")
    )
    document = dataclasses.replace(plan, spec=moved).document()

    named = {name: node["component"]["environment"] for name, node in document["jobs"].items()}
    assert named == {"prepare": "azureml:f:3", "train": "azureml:other:2"}
