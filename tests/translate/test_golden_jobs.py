"""Whole jobs: what Azure ML will get for real projects, field by field."""

import dataclasses
from pathlib import Path

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.config.steps import step_configs
from mlflow_azureml_backend.project import GitSource
from mlflow_azureml_backend.project.config_files import read_config_files
from mlflow_azureml_backend.project.loader import read_project
from mlflow_azureml_backend.translate import ClientVersions, translate
from mlflow_azureml_backend.translate.pipeline_yaml import pipeline_yaml

PROJECTS = Path(__file__).parent.parent / "projects"
VERSIONS = ClientVersions(python="3.11", mlflow="3.17.2")
LINEAGE = GitSource(
    commit="0123456789abcdef0123456789abcdef01234567",
    repo_url="https://example.com/team/train.git",
    branch="main",
    dirty=True,
)
COMPUTE = {"compute": "cpu-cluster"}

# golden file, project folder, entry point, values, backend config, lineage, keywords of translate
CASES = [
    ("mlflow_example", "mlflow_example", "main", {"alpha": "0.5"}, COMPUTE, LINEAGE, {}),
    ("elasticnet_wine", "elasticnet_wine", "main", {}, COMPUTE, None, {"run_name": "wine"}),
    ("example_project_greeter", "example_project", "greeter", {"name": "A. B's"}, {}, None, {}),
    (
        "example_project_expression",
        "example_project",
        "greeter",
        {"name": "${{inputs.a}} {inputs.b}", "extra": "$(id)"},
        {},
        None,
        {},
    ),
    (
        "example_project_count_lines",
        "example_project",
        "count_lines",
        {"path": "azureml://datastores/raw/paths/a file.csv"},
        COMPUTE,
        None,
        {},
    ),
    (
        "docker_example",
        "docker_example",
        "main",
        {"alpha": "0.1"},
        COMPUTE | {"environment_variables": {"STAGE": "prod", "WORKERS": 4}},
        None,
        {},
    ),
    ("pip_requirements", "pip_requirements", "main", {}, COMPUTE, None, {}),
    (
        "hyphenated_parameters",
        "hyphenated_parameters",
        "main",
        {"num-epochs": "3"},
        COMPUTE,
        LINEAGE,
        {},
    ),
    ("no_environment", "no_environment", "main", {}, {}, None, {}),
    ("nested_requirements", "nested_requirements", "main", {}, COMPUTE, None, {}),
    ("script_with_spaces", "scripts", "two words.py", {"depth": "3"}, COMPUTE, None, {}),
    (
        "local_env_manager",
        "mlflow_example",
        "main",
        {},
        COMPUTE,
        None,
        {"use_project_environment": False},
    ),
    (
        "config_overrides",
        "mlflow_example",
        "main",
        {},
        COMPUTE
        | {
            "environment": "azureml:train:4",
            "experiment_name": "from-config",
            "display_name": "from config",
            "description": "A run.",
            "tags": {"team": "vision", "fold": 3, "final": True},
            "environment_variables": {"SEED": 1.5},
        },
        None,
        {"run_name": "from the command line"},
    ),
    (
        "config_image_and_conda_file",
        "mlflow_example",
        "main",
        {},
        COMPUTE | {"environment": {"image": "ubuntu:22.04", "conda_file": "conda.yaml"}},
        None,
        {},
    ),
    (
        "sweep",
        "hyphenated_parameters",
        "main",
        {},
        COMPUTE
        | {
            "sweep": {
                "search_space": {"num-epochs": {"type": "choice", "values": [3, 10]}},
                "sampling_algorithm": "sobol",
                "objective": {"goal": "minimize", "primary_metric": "loss"},
                "limits": {"max_total_trials": 2},
                "early_termination": {"type": "bandit", "slack_amount": 0.5},
            }
        },
        None,
        {},
    ),
    (
        "pipeline",
        "multi_step",
        "main",
        {"label": "${{parent.inputs.raw}} $(id)", "raw": "azureml://datastores/d/paths/raw.csv"},
        COMPUTE
        | {
            "environment_variables": {"SEED": 1},
            "steps": {
                "prepare": {
                    "parameters": {"raw": "{raw}", "rows": "{rows}"},
                    "outputs": {"data": {"mode": "upload"}},
                },
                "fit_model": {
                    "entry_point": "train",
                    "parameters": {"data": "prepare.data", "label": "m-{label}"},
                    "inputs": {"extra": {"path": "https://example.com/extra.csv"}},
                    "outputs": {"model": {"type": "mlflow_model", "name": "diabetes"}},
                    "compute": "gpu-cluster",
                    "environment_variables": {"DEPTH": 2},
                },
            },
        },
        LINEAGE,
        {},
    ),
]


ALWAYS = {
    *("command", "code", "environment", "compute", "resources", "experiment_name", "display_name"),
    *("description", "environment_variables", "tags", "properties"),
}


def plain(value):
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def as_json(spec):
    if spec.pipeline is not None:  # the document says what became of the steps
        return pipeline_yaml(spec, code=spec.code.relative_to(PROJECTS).as_posix())
    content = plain(spec)
    if spec.environment.local is None:
        del content["environment"]["local"]
    content["code"] = spec.code.relative_to(PROJECTS).as_posix()
    # What a job does not say is left out, but for the keys that every file has.
    content["resources"] = said(content["resources"], {"shm_size", "docker_args"})
    return said(content, ALWAYS)


def said(content, always):
    return {key: value for key, value in content.items() if key in always or value}


@pytest.mark.parametrize(
    ("name", "folder", "entry_point", "values", "raw_config", "lineage", "keywords"),
    CASES,
    ids=[case[0] for case in CASES],
)
def test_a_whole_job_is_as_the_golden_file_says(
    golden, name, folder, entry_point, values, raw_config, lineage, keywords
):
    project = read_project(
        str(PROJECTS / folder),
        version=None,
        entry_point=entry_point,
        parameters=values,
        environ={"COPIED": "from here"},
        config=read_backend_config(raw_config)[0],
    )
    config, _ = read_backend_config(raw_config)
    spec = translate(
        dataclasses.replace(project, git=lineage),
        read_config_files(config, project.root),
        experiment_name="from-mlflow",
        versions=VERSIONS,
        steps=step_configs(config),
        **{"run_name": None, **keywords},
    )
    golden(name, as_json(spec))


def test_every_golden_file_belongs_to_a_case():
    folder = Path(__file__).parent.parent / "golden"
    assert sorted(path.stem for path in folder.glob("*.json")) == sorted(case[0] for case in CASES)
