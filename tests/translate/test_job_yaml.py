"""Every key of the config as it stands in the job's YAML: one golden file each."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.config.schema import BackendConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.project.config_files import read_config_files
from mlflow_azureml_backend.project.loader import read_project
from mlflow_azureml_backend.translate import ClientVersions, translate
from mlflow_azureml_backend.translate.job_yaml import as_text, job_yaml
from tests.translate.job_cases import CASES, ENVIRON

PROJECT = Path(__file__).parent.parent / "projects" / "mlflow_example"
GOLDEN = Path(__file__).parent.parent / "golden" / "jobs"


def spec_of(raw, **keywords):
    project = read_project(str(PROJECT), version=None, entry_point="main", parameters={})
    config, _ = read_backend_config(raw)
    return translate(
        dataclasses.replace(project, git=None),
        read_config_files(config, project.root),
        experiment_name="from-mlflow",
        run_name=None,
        versions=ClientVersions(python="3.11", mlflow="3.17.2"),
        environ=ENVIRON,
        **keywords,
    )


@pytest.mark.parametrize("name", CASES)
def test_a_key_is_in_the_job_as_its_golden_file_says(name, request):
    spec = spec_of(CASES[name])
    said = as_text(job_yaml(spec, code=".", name="golden", context="context"))
    notes = "".join(f"# {note}\n" for note in spec.notes)
    path = GOLDEN / f"{name}.yml"
    if request.config.getoption("--update-golden", default=False):
        path.write_text(notes + said, encoding="utf-8")
    assert path.is_file(), "Write it with: pytest tests/translate --update-golden"
    assert notes + said == path.read_text(encoding="utf-8")
    assert "not to be seen" not in said + repr(spec)


def test_every_golden_file_belongs_to_a_key():
    assert {path.stem for path in GOLDEN.glob("*.yml")} == set(CASES)


def test_every_key_that_the_job_yaml_has_is_in_a_golden_file():
    ours = {"workspace", "image", "inject", "job_file", "dry_run", "stream", "queue_timeout"}
    said = {key for case in CASES.values() for key in case}
    elsewhere = {"inputs", "outputs", "snapshot", "sweep", "lock", "on_interrupt"}
    elsewhere |= {"max_input_size", "nested_runs", "steps"}
    elsewhere |= {"tracking", "mirror_artifacts", "register_model"}
    assert set(BackendConfig.model_fields) - ours - elsewhere <= said


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_from_yaml_as_it_was(text):
    assert yaml.safe_load(as_text({"command": text, "a": {"b": [text]}})) == {
        "command": text,
        "a": {"b": [text]},
    }


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"environment_variables": {"A": "x${{inputs.a}}"}}, "environment_variables.A"),
        ({"display_name": "${{name}}"}, "display_name"),
        ({"resources": {"docker_args": "${{inputs.a}}"}}, "resources.docker_args"),
        (
            {"services": {"t": {"type": "tensor_board", "log_dir": "${{outputs.o}}"}}},
            "services.t.log_dir",
        ),
    ],
)
def test_what_azure_ml_would_resolve_is_refused(raw, path):
    with pytest.raises(ConfigError, match="Azure ML would resolve") as caught:
        spec_of(raw)
    assert str(caught.value).startswith(f"{path}: ")


def test_all_variables_that_this_machine_lacks_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        spec_of(
            {
                "environment_variables": {
                    "A": "${env:NO_A}",
                    "B": {"value": "${env:NO_B}", "secret": True},
                }
            }
        )
    assert "A: this machine has no variable 'NO_A'" in str(caught.value)
    assert "B: this machine has no variable 'NO_B'" in str(caught.value)


def test_mlflows_docker_arguments_go_before_the_configs():
    raw = {"resources": {"shm_size": "2g", "docker_args": "--ipc host"}}
    spec = spec_of(raw, docker_args={"shm-size": "4g", "cap-add": "SYS_PTRACE"})
    assert spec.resources.shm_size == "4g"
    assert spec.resources.docker_args == "--ipc host --cap-add SYS_PTRACE"


def test_more_properties_than_the_service_keeps_are_refused_with_those_of_the_project():
    with pytest.raises(ConfigError, match="there are 51, and Azure ML keeps 50"):
        spec_of({"properties": {str(number): "x" for number in range(50)}})
