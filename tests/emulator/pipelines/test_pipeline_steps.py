"""The steps of a pipeline: what is refused, their order, and the job that each becomes."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.pipelines.step_body import step_body
from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep, ordered

COMPONENT = {
    "command": "run ${{inputs.data}} $[[--n ${{inputs.n}}]] $[[--m ${{inputs.m}}]]",
    "environment": "azureml:env:1",
    "environment_variables": {"A": "component", "B": "component"},
    "resources": {"instance_count": "2", "shm_size": "3g"},
    "distribution": {"type": "pytorch", "process_count_per_instance": "4"},
    "inputs": {
        "data": {"type": "uri_folder", "optional": "True"},
        "n": {"type": "integer", "default": "3", "optional": "True"},
        "m": {"type": "integer", "optional": "True"},
    },
    "outputs": {"out": {"type": "uri_folder"}},
}
PIPELINE: dict[str, Any] = {
    "experimentName": "trials",
    "inputs": {
        "rate": {"jobInputType": "literal", "value": "0.5"},
        "rows": {"jobInputType": "uri_folder", "uri": "azureml://rows", "mode": "Download"},
        "cluster": {"jobInputType": "literal", "value": "/computes/mine"},
    },
    "outputs": {"final": {"jobOutputType": "uri_folder", "assetName": "best"}},
    "settings": {"default_compute": "/computes/all", "default_datastore": "/datastores/store"},
}


def step(name: str, **sent: Any) -> PipelineStep:
    return PipelineStep(name=name, sent={"componentId": "/c/1", **sent}, component=COMPONENT)


def reading(name: str, source: str) -> PipelineStep:
    return step(name, inputs={"data": {"value": f"${{{{{source}}}}}", "job_input_type": "literal"}})


def body(made: PipelineStep) -> dict[str, Any]:
    return step_body("mine", PIPELINE, made, "job-1", lambda job, output: f"of {job} {output}")


def test_steps_are_put_behind_those_they_read_from() -> None:
    steps = [
        reading("last", "parent.jobs.middle.outputs.out"),
        reading("middle", "parent.jobs.first.outputs.out"),
        reading("first", "parent.inputs.rows"),
    ]

    names = [each.name for each in ordered(PIPELINE, {each.name: each for each in steps})]

    assert names == ["first", "middle", "last"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("parent.jobs.other.outputs.out", "The pipeline job has a cycle: it -> other -> it."),
        ("parent.inputs.rate", "input data of component job it is a uri_folder"),
        ("parent.outputs.final", "cannot be bound to an output of the pipeline"),
        ("inputs.rows", "Invalid expression inputs.rows. Only parent.inputs"),
        ("parent.jobs.other.outputs.no", "output port no of componentJob other"),
    ],
)
def test_a_binding_that_makes_no_sense_is_refused(source: str, message: str) -> None:
    steps = {"it": reading("it", source), "other": reading("other", "parent.jobs.it.outputs.out")}

    with pytest.raises(ServiceError) as refused:
        ordered(PIPELINE, steps)

    assert message in refused.value.message
    assert refused.value.inner[2] == "InvalidPipelineJob"


def test_a_step_says_what_its_component_leaves_open_and_the_pipeline_the_rest() -> None:
    made = body(
        step(
            "it",
            inputs={
                "data": {"value": "${{parent.inputs.rows}}"},
                "m": {"value": "1${{parent.inputs.rate}}", "job_input_type": "literal"},
            },
            outputs={"out": {"value": "${{parent.outputs.final}}", "type": "literal"}},
            environment_variables={"B": "step", "C": "${{parent.inputs.rate}}"},
            computeId="${{parent.inputs.cluster}}",
            limits={"timeout": "PT1M", "job_limits_type": "Command"},
            identity={"identity_type": "UserIdentity"},
        )
    )

    assert made["displayName"] == "it"
    assert made["computeId"] == "/computes/mine"
    command = " ".join(made["command"].split())
    assert command == "run ${{inputs.data}} --n ${{inputs.n}} --m ${{inputs.m}}"
    assert {name: value.get("value") for name, value in made["inputs"].items()} == {
        "data": None,
        "n": "3",
        "m": "10.5",
    }
    assert made["inputs"]["data"]["mode"] == "Download"
    assert made["environmentVariables"] == {"A": "component", "B": "step", "C": "0.5"}
    assert made["resources"]["instanceCount"] == 2
    assert made["resources"]["shmSize"] == "3g"
    assert made["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 4}
    assert made["limits"]["timeout"] == "PT1M"
    assert made["identity"] == {"identityType": "UserIdentity"}
    out = made["outputs"]["out"]
    assert out["uri"] == "azureml://datastores/store/paths/azureml/job-1/out/"
    assert out["assetName"] == "best"


def test_a_step_that_says_nothing_runs_where_the_pipeline_says_without_its_optional_parts() -> None:
    made = body(step("it", outputs={"out": {"uri": "azureml://x/${{name}}/${{output_name}}"}}))

    assert made["computeId"] == "/computes/all"
    assert "--m" not in made["command"]
    assert made["outputs"]["out"]["uri"] == "azureml://x/job-1/out"
