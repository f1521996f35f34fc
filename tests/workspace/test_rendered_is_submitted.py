"""What `render` shows is what is submitted: azure-ai-ml makes the same job of its YAML."""

import json
import uuid

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.errors import ConfigError, NotFoundError
from mlflow_azureml_backend.plan import plan_run

CONFIG = {
    "environment": {"image": "ubuntu:22.04", "conda_file": {"dependencies": ["python=3.11"]}},
    "resources": {"shm_size": "4g", "instance_count": 2, "docker_args": ["--label", "a b"]},
    "distribution": {"type": "pytorch", "process_count_per_instance": 1},
    "limits": {"timeout": 600},
    "queue_settings": {"priority": "high"},
    "identity": {"type": "managed"},
    "services": {"board": {"type": "tensor_board", "log_dir": "outputs"}},
    "environment_variables": {"A": "é 'x' \U0001f600", "B": ""},
    "tags": {"team": "vision", "fold": 3},
    "properties": {"cost": "7"},
    "display_name": "a: b",
    "description": "two\nlines",
    "experiment_name": "rendered",
}


def planned(project, config, **values):
    return plan_run(
        str(project),
        version=None,
        entry_point="main",
        parameters=values,
        backend_config=config,
        experiment_name="Default",
        run_name=None,
    )


def submitted_by_the_sdk(workspace, file, name):
    from azure.ai.ml import MLClient, load_job
    from azure.identity import EnvironmentCredential

    client = MLClient(
        EnvironmentCredential(),
        workspace.subscription_id,
        workspace.resource_group,
        workspace.workspace_name,
    )
    job = load_job(file)
    job.name = name
    client.jobs.create_or_update(job)


def body(opened, name):
    from mlflow_azureml_backend.workspace.jobs import read_job

    properties = dict(read_job(opened._connection, name)["properties"])
    for changing in ("status", "services", "outputs"):
        properties.pop(changing)
    return {**properties, "tags": {k: v for k, v in properties["tags"].items() if k[0] != "_"}}


def test_the_plain_sdk_makes_the_same_job_of_the_rendered_yaml(
    project, workspace, opened, tmp_path
):
    plan = planned(
        project, {**CONFIG, "compute": "cpu-cluster"}, a="it's $(id) ${{x}} {inputs.b}\n\U0001f600"
    )
    ours, theirs = (f"{word}_{uuid.uuid4().hex[:8]}" for word in ("ours", "theirs"))
    file = tmp_path / "job.yml"
    file.write_text(plan.text(), encoding="utf-8")

    opened.submit(plan.spec, name=ours)
    submitted_by_the_sdk(workspace, file, theirs)

    assert body(opened, ours) == body(opened, theirs)
    assert body(opened, ours)["tags"] == {"team": "vision", "fold": "3"}
    for name in (ours, theirs):
        opened.cancel(name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"compute": "cpu-cluster", "resources": {"instance_count": 5}},
            "5 nodes are more than the 4 that compute 'cpu-cluster' can have",
        ),
        (
            {"compute": "cpu-cluster", "image": {"gpu": True}},
            "image.gpu: compute 'cpu-cluster' (STANDARD_DS3_V2) has no GPU",
        ),
        (
            {"resources": {"instance_type": "Standard_DS33_v2"}},
            "no VM size of the workspace's region. Did you mean Standard_DS3_v2",
        ),
        (
            {
                "compute": "cpu-cluster",
                "steps": {"main": {"parameters": {"a": 1}, "resources": {"instance_count": 5}}},
            },
            "steps.main: resources.instance_count: 5 nodes are more than the 4",
        ),
    ],
)
def test_what_could_not_run_is_refused_before_anything_is_created(project, opened, config, message):
    plan = planned(project, config, a="x")
    with pytest.raises(ConfigError) as caught:
        opened.check(plan.spec, wants_gpu=plan.wants_gpu)
    assert message in str(caught.value)


@pytest.mark.parametrize(("nodes", "notes"), [(3, 0), (4, 1)])
def test_a_job_that_leaves_no_node_to_the_runs_that_it_starts_is_noted(
    project, opened, nodes, notes
):
    config = {"compute": "cpu-cluster", "resources": {"instance_count": nodes}, "nested_runs": True}
    found = opened.check(planned(project, config, a="x").spec)
    assert len(found) == notes
    assert all("keeps compute 'cpu-cluster' to itself" in note for note in found)


def test_a_place_that_a_step_cannot_write_to_is_refused(project, opened):
    outputs = {"model": {"path": "azureml://datastores/none/paths/model"}}
    plan = planned(
        project, {"steps": {"main": {"parameters": {"a": 1}, "outputs": outputs}}}, a="x"
    )

    with pytest.raises(NotFoundError, match=r"steps.main: outputs.model: .* no datastore 'none'"):
        opened.check_data(plan.spec)


def test_an_image_with_cuda_on_a_compute_without_gpus_is_noted(project, opened):
    config = {"compute": "cpu-cluster", "environment": {"image": "example.com/cuda:12"}}
    plan = planned(project, config, a="x")
    assert opened.check(plan.spec) == (
        "compute 'cpu-cluster' (STANDARD_DS3_V2) has no GPU, and the environment's image has CUDA",
    )


def test_render_asks_the_workspace_when_it_is_told_to(project, workspace, signed_in):
    named = {
        key: getattr(workspace, key)
        for key in ("subscription_id", "resource_group", "workspace_name")
    }
    config = {"workspace": named, "compute": "cpu-cluster", "environment": "azureml:e:1"}

    def rendered(**more):
        text = json.dumps({**config, **more})
        arguments = ["render", str(project), "-P", "a=x", "--check", "-c", text]
        return CliRunner().invoke(main, arguments)

    assert f"# Checked with workspace {workspace.workspace_name}" in rendered().stdout
    wrong = rendered(compute="gpu")
    assert wrong.exit_code == 1
    assert "There is no compute 'gpu'" in wrong.output
