"""A job that is shaped here is the job that azure-ai-ml shapes."""

import json
import uuid
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.errors import ForbiddenError
from mlflow_azureml_backend.job import EnvironmentSpec, WorkspaceRef
from mlflow_azureml_backend.plan import plan_run
from mlflow_azureml_backend.translate.job_yaml import job_yaml
from mlflow_azureml_backend.workspace import connect
from mlflow_azureml_backend.workspace.job_request import (
    _duration,
    environment_body,
    environment_id,
    is_plain,
    job_body,
    with_bindings,
)
from tests.translate.job_cases import CASES, ENVIRON

REF = WorkspaceRef(subscription_id="s", resource_group="r", workspace_name="w")
CODE = f"{REF.arm_id}/codes/c/versions/1"
# What azure-ai-ml goes on to shape; everything else must be plain.
RARE = {
    *("distribution_ray", "queue_settings", "identity_managed", "identity_managed_resource"),
    *("identity_user", "identity_aml_token", "services", "environment_variables", "resources"),
}
STORE = "azureml://datastores/workspaceblobstore/paths/data/"
MORE = {
    "everything plain of resources": {
        "compute": "gpu-cluster",
        "resources": {
            "instance_type": "Standard_E4s_v3",
            "instance_count": 2,
            "max_instance_count": 4,
            "shm_size": "16g",
            "docker_args": ["--ulimit", "memlock=-1", "--label", "two words"],
            "locations": ["westeurope", "northeurope"],
        },
    },
    "inputs": {
        "inputs": {
            "folder": {"type": "uri_folder", "path": STORE, "mode": "ro_mount"},
            "file": {"type": "uri_file", "path": f"{STORE}a.csv", "mode": "download"},
            "table": {"type": "mltable", "path": STORE, "mode": "eval_mount"},
            "web": {"type": "uri_file", "path": "https://example.com/a.csv", "mode": "direct"},
            "number": 3,
            "flag": True,
            "text": "a b",
        }
    },
    "outputs": {
        "outputs": {
            "model": {"type": "mlflow_model", "name": "m", "version": "3"},
            "folder": {"type": "uri_folder", "path": STORE, "mode": "upload"},
            "direct": {"mode": "direct"},
            "named": {"mode": "rw_mount"},
        }
    },
    "a conda file": {
        "environment": {
            "image": "ubuntu:22.04",
            "conda_file": {"name": "é", "dependencies": ["python=3.11", {"pip": ["a", "b==1"]}]},
        }
    },
}


def planned(project, config):
    given = {"environment": {"image": "ubuntu:22.04"}, "inject": "never", **config}
    return plan_run(
        str(project),
        version=None,
        entry_point="main",
        parameters={"a": "it's $(id) ${{x}} {inputs.b} {{outputs.c}}\n\U0001f600"},
        backend_config=given,
        experiment_name="E",
        run_name=None,
    ).spec


def azures(spec):
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder
    from azure.ai.ml.entities._job.to_rest_functions import to_rest_job_object

    from mlflow_azureml_backend.workspace.jobs import as_entity

    job = as_entity(job_yaml(spec, code=f"azureml:{CODE}", name="n"))
    job.environment = "ENVIRONMENT"
    if spec.compute is not None:
        job.compute = f"{REF.arm_id}/computes/{spec.compute}"
    text = json.dumps(to_rest_job_object(job), cls=SdkJSONEncoder, exclude_readonly=True)
    return without_nothing(json.loads(text))


def without_nothing(value):
    """Leave out what says nothing on the wire."""
    if isinstance(value, dict):
        return {k: without_nothing(v) for k, v in value.items() if v is not None}
    return value


@pytest.mark.parametrize("config", [*CASES.values(), *MORE.values()], ids=[*CASES, *MORE])
def test_a_jobs_body_is_azure_ai_mls(project, monkeypatch, request, config):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    spec = planned(project, config)
    case = request.node.callspec.id
    assert is_plain(spec) == (case not in RARE)
    if is_plain(spec):
        body = job_body(spec, workspace=REF, name="n", code_id=CODE, environment_id="ENVIRONMENT")
        assert body == azures(spec)


PIECES = (
    *("{inputs.a}", "{outputs.", "{search_space.b}", "{inputs.", "inputs", ".", "a", " ", "\n"),
    *("{", "}", "$", "{{", "}}", "${{", "${{inputs.a}}"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_bindings_are_found_where_azure_ai_ml_finds_them(command):
    from azure.ai.ml._utils.utils import map_single_brackets_and_warn

    assert with_bindings(command) == map_single_brackets_and_warn(command)


@pytest.mark.parametrize(
    "conda",
    [
        None,
        {"dependencies": ["python=3.11"]},
        {"b": {"d": 1, "c": [1, "é", True, None]}, "a": "x" * 99},
    ],
)
def test_an_environment_without_a_name_is_the_one_that_azure_ai_ml_makes(conda):
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder
    from azure.ai.ml.entities import Environment

    spec = EnvironmentSpec(image="ubuntu:22.04", conda_file=conda, origin="test")
    theirs = Environment(image="ubuntu:22.04", conda_file=conda)
    theirs._is_anonymous = True
    theirs._generate_anonymous_name_version(
        source="image", conda_file=theirs._translated_conda_file
    )
    rest = json.loads(json.dumps(theirs._to_rest_object(), cls=SdkJSONEncoder))
    assert environment_body(spec, context=None) == (theirs.version, without_nothing(rest))


@pytest.mark.parametrize(
    ("reference", "known"),
    [
        ("azureml:train:4", f"{REF.arm_id}/environments/train/versions/4"),
        (
            "azureml://registries/azureml/environments/a/versions/1",
            "azureml://registries/azureml/environments/a/versions/1",
        ),
        ("azureml:train@latest", None),
        ("azureml:AzureML-sklearn:1", None),
    ],
)
def test_an_environment_that_is_named_needs_no_question(reference, known):
    spec = EnvironmentSpec(reference=reference, origin="test")
    assert environment_id(spec, REF) == known


@given(seconds=st.integers(min_value=1, max_value=10_000_000))
def test_durations_are_written_as_azure_ai_ml_writes_them(seconds):
    from azure.ai.ml._utils.utils import to_iso_duration_format

    assert _duration(seconds) == to_iso_duration_format(seconds)


def test_a_submission_again_asks_for_nothing_but_the_job(project, workspace, opened, emulator):
    def requests(since):
        query = urlencode({"workspace": workspace.arm_id, "since": since, "limit": 1000})
        page = request(emulator, "GET", f"/_emulator/journal?{query}")
        return page["next"], [(each["method"], each["route"]) for each in page["entries"]]

    spec = replace(planned(project, {"compute": "cpu-cluster"}), code=project)
    names = [f"j{uuid.uuid4().hex[:8]}" for _ in range(2)]
    opened.check(spec)
    opened.submit(spec, name=names[0])
    opened.check(spec)  # what was asked before an import of seconds is too old
    since, _ = requests(0)
    again = connect(opened.ref)
    again.check(spec)
    handle = again.submit(spec, name=names[1])
    _, asked = requests(since)
    assert [method for method, _ in asked] == ["PUT"]
    assert "jobs" in asked[0][1]
    assert handle.job_name == names[1]
    assert handle.studio_url
    for name in names:
        opened.cancel(name)


def test_a_user_who_is_refused_is_asked_who_they_are_again(workspace, opened, emulator):
    key = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"
    before = opened._connection
    assert connect(opened.ref)._connection is before
    fault = {"route": "GET */computes/*", "status": 403, "count": 1, "workspace": key}
    request(emulator, "POST", "/_emulator/faults", body=fault)
    with pytest.raises(ForbiddenError):
        opened.check_compute("cpu-cluster")
    after = connect(opened.ref)._connection
    assert after is not before
    assert after.credential is not before.credential
