"""`mlflow-azureml render` and `dry_run` show a job, and create nothing."""

import json
from pathlib import Path

import mlflow
import pytest
import yaml
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.errors import DryRunError

PROJECTS = Path(__file__).parents[1] / "projects"
JOB_FILE = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
command: python other.py
code: src
compute: azureml:gpu
environment: azureml:train@latest
resources: {shm_size: 8g, instance_count: 9}
tags: {a: file, b: file}
"""


def render(*arguments):
    return CliRunner().invoke(main, ["render", *map(str, arguments)])


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "entry_points: {main: {parameters: {a: float}, command: 'echo {a}'}}"
    )
    return folder


def test_parameters_and_config_are_in_the_yaml(project):
    config = {"compute": "cpu", "environment": "azureml:e:1"}
    result = render(project, "-P", "a=0.5", "-c", json.dumps(config), "-A", "shm-size=4g")
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(result.stdout) == {
        "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
        "type": "command",
        "experiment_name": "Default",
        "properties": {"azureml.git.dirty": "False"},
        "command": "echo 0.5",
        "code": str(project),
        "environment": "azureml:e:1",
        "compute": "azureml:cpu",
        "resources": {"shm_size": "4g"},
    }


def test_a_job_file_is_the_base_and_explained(project):
    (project / "job.yml").write_text(JOB_FILE)
    config = {"job_file": "job.yml", "compute": "cpu", "tags": {"a": 1}}
    result = render(project, "-P", "a=1", "-c", json.dumps(config), "--explain", "--files")
    assert result.exit_code == 0, result.output
    job = yaml.safe_load(result.stdout)
    assert job["command"] == "echo 1"
    assert job["compute"] == "azureml:cpu"
    assert job["environment"] == "azureml:train@latest"
    assert job["resources"] == {"shm_size": "8g", "instance_count": 9}
    assert job["tags"] == {"a": "1", "b": "file"}
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["#", "compute", "backend", "config"] in lines
    assert ["#", "resources", "job.yml"] in lines
    assert ["#", "tags", "backend", "config", "(a),", "job.yml", "(b)"] in lines
    assert ["#", "Snapshot:", "2", "files,"] in [line[:4] for line in lines]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type: sweep", "type is 'sweep'; a job file has to be one of a command job"),
        ("computes: x", "unknown keys: computes"),
        ("resources: {instance_count: 0}", "resources.instance_count: must be greater than 0"),
        ("- a", "must hold a mapping"),
    ],
)
def test_a_job_file_that_is_none_is_told(project, text, message):
    (project / "job.yml").write_text(text)
    result = render(project, "-P", "a=1", "-c", '{"job_file": "job.yml"}')
    assert result.exit_code == 1
    assert message in result.output
    assert "job.yml" in result.output


def test_what_a_job_file_says_of_a_parameters_data_counts(project):
    (project / "MLproject").write_text(
        "entry_points: {main: {parameters: {data: string, model: string}, "
        "command: 'cat {data} > {model}'}}"
    )
    (project / "job.yml").write_text(
        "inputs: {data: {type: uri_folder, path: 'azureml:wine:1'}}\n"
        "outputs: {model: {type: uri_folder}}\n"
    )
    result = render(project, "-c", '{"job_file": "job.yml"}')
    assert result.exit_code == 0, result.output
    job = yaml.safe_load(result.stdout)
    assert job["command"] == "cat '${{inputs.data}}' > '${{outputs.model}}'"
    assert job["inputs"]["data"]["path"] == "azureml:wine:1"


@pytest.mark.parametrize(
    ("config", "notes"),
    [
        ({"environment_variables": {"A": "x", "B": "keyvault:other-vault/b"}}, []),
        (
            {"environment_variables": {"A": {"value": "hush", "secret": True}}},
            ["puts the values of A into the workspace's Key Vault"],
        ),
        (
            {"environment_variables": {"A": "keyvault:a", "B": f"keyvault:b/{'0' * 32}"}},
            ["A, B of MLFLOW_AZUREML_SECRETS: put the name of the workspace's Key Vault"],
        ),
        (
            {"identity": {"type": "managed", "msi_resource_id": "/subscriptions/s/i"}},
            ["azure-ai-ml cannot read identity.msi_resource_id from YAML"],
        ),
        (
            {"inputs": {"data": {"path": "s3://bucket/a"}}},
            ["inputs data: `mlflow run` fetches and uploads them"],
        ),
        ({"snapshot": {"exclude": ["data"]}}, ["leaves out of the snapshot"]),
    ],
)
def test_what_another_client_would_do_otherwise_is_noted(project, config, notes):
    result = render(
        project, "-P", "a=1", "-c", json.dumps({"environment": "azureml:e:1", **config})
    )
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith("# Note: ")]
    assert len(lines) == len(notes)
    assert all(note in line for note, line in zip(notes, lines, strict=True))
    assert "hush" not in result.output


def test_a_generated_build_context_is_written_beside_the_file(project, tmp_path):
    config = '{"environment": {"image": "ubuntu:22.04"}, "inject": "environment"}'
    file = tmp_path / "out.yml"
    assert render(project, "-P", "a=1", "-c", config, "-o", file).exit_code == 0
    build = yaml.safe_load(file.read_text())["environment"]["build"]
    assert (tmp_path / build["path"] / build["dockerfile_path"]).read_text().startswith("FROM ubun")


def test_everything_that_is_wrong_is_one_message_and_no_file(project, tmp_path):
    file = tmp_path / "out.yml"
    for arguments, message in [
        (("-P", "a=1", "-c", '{"computer": 1}'), "Did you mean 'compute'?"),
        (("-P", "a=1", "-c", "{"), "The backend config is no JSON"),
        (("-P", "a=x"), "must be a number"),
        ((), "add -P a=VALUE"),
    ]:
        result = render(project, *arguments, "-o", file)
        assert result.exit_code == 1
        assert message in result.output
    assert render(project, "-P", "a").exit_code == 2
    assert not file.exists()


@pytest.fixture
def store(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


def test_a_dry_run_prints_the_job_and_creates_no_run(project, store):
    from mlflow.cli import cli

    config = json.dumps({"dry_run": True, "environment": "azureml:e:1"})
    arguments = ["run", "--backend", "azureml", "-P", "a=1", "--backend-config", config]
    result = CliRunner().invoke(cli, [*arguments, str(project)])
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(result.stdout)["command"] == "echo 1"
    with pytest.raises(DryRunError, match="Nothing was submitted") as caught:
        mlflow.projects.run(
            str(project),
            backend="azureml",
            parameters={"a": 1},
            backend_config=json.loads(config),
        )
    assert yaml.safe_load(caught.value.job_yaml) == yaml.safe_load(result.stdout)
    assert store.search_runs(["0"]) == []
