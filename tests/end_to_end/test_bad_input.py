"""Each mistake is one clear message, exit code 1, no traceback, no run and no job left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parent / "projects"

CONFIG_MISTAKES = {
    "an unknown key": ({"computee": "x"}, "computee: unknown key. Did you mean 'compute'?"),
    "a wrong type": ({"compute": 3}, "compute: must be text, got 3"),
    "a wrong type in a section": ({"tags": ["a"]}, "tags: must be an object"),
    "half a workspace": (
        {"workspace": {"subscription_id": "s", "resource_group": "r"}},
        "workspace.workspace_name: is missing",
    ),
    "a workspace file that is not there": (
        {"workspace": "nowhere/config.json"},
        "there is no file",
    ),
    "an unknown compute": (
        {"compute": "gpu-cluster"},
        "no compute 'gpu-cluster' in workspace",
    ),
    "an environment that is none": ({"environment": "sklearn"}, "'sklearn' is no environment"),
    "a workspace that does not exist": (
        {
            "workspace": {
                "subscription_id": "00000000-0000-0000-0000-000000000000",
                "resource_group": "tests",
                "workspace_name": "missing",
            }
        },
        "workspaces/missing' under resource group 'tests' was not found",
    ),
}

PROJECT_MISTAKES = {
    "no such project": (["nowhere"], {}, "Project nowhere cannot be fetched"),
    "a git URI that cannot be fetched": (
        ["https://127.0.0.1:9/none.git"],
        {},
        "Project https://127.0.0.1:9/none.git cannot be fetched",
    ),
    "no MLproject": (["{empty}"], {}, "There is no MLproject file in"),
    "no such entry point": (["{project}", "-e", "evaluate"], {}, "no entry point 'evaluate'"),
    "a missing parameter": (
        ["{project}"],
        {"MLproject": "entry_points: {main: {parameters: {a: float}, command: 'echo {a}'}}"},
        "needs a value for a: add -P a=VALUE",
    ),
    "a parameter of the wrong type": (
        ["{project}", "-P", "alpha=high"],
        {},
        "Parameter 'alpha' must be a number (its type is float), got 'high'",
    ),
    "a missing environment file": (
        ["{project}"],
        {"MLproject": "conda_env: none.yaml\nentry_points: {main: {command: 'true'}}"},
        "none.yaml",
    ),
    "two environments": (
        ["{project}"],
        {
            "MLproject": "conda_env: conda.yaml\ndocker_env: {image: i}\n"
            "entry_points: {main: {command: 'true'}}"
        },
        "Project cannot contain multiple environment fields",
    ),
    "a requirements file that is missing": (
        ["{project}"],
        {"conda.yaml": "dependencies: [python=3.11, {pip: [-r more.txt]}]"},
        "more.txt cannot be read",
    ),
    "a package outside the project": (
        ["{project}"],
        {"conda.yaml": "dependencies: [python=3.11, {pip: [-e ../empty]}]"},
        "which is outside the project",
    ),
    "pins that cannot work together": (
        ["{project}"],
        {"conda.yaml": "dependencies: [{pip: [mlflow==3.1, azureml-mlflow==1.60.0.post1]}]"},
        "Remove azureml-mlflow from the environment to get the one that fits",
    ),
    "a Python that is too old": (
        ["{project}"],
        {"conda.yaml": "dependencies: [python=2.7]"},
        "asks for python==2.7",
    ),
    "an environment file that is not YAML": (
        ["{project}"],
        {"conda.yaml": "dependencies: [a, b"},
        "conda.yaml is not valid YAML",
    ),
    "an MLproject that is not YAML": (
        ["{project}"],
        {"MLproject": "entry_points: ["},
        "MLproject is not valid YAML",
    ),
    "a command with an unknown placeholder": (
        ["{project}"],
        {"MLproject": "entry_points: {main: {command: 'echo {nope}'}}"},
        "{nope} is not a declared parameter",
    ),
}


def check(result, message: str, runs) -> None:
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert message in " ".join(result.stderr.split())
    assert len([line for line in result.stderr.splitlines() if "ERROR" in line]) == 1
    assert runs() == []


@pytest.mark.parametrize("mistake", CONFIG_MISTAKES)
def test_a_mistake_in_the_config_is_told_before_anything_is_created(
    mistake, mlflow_run, config, runs, jobs
):
    changed, message = CONFIG_MISTAKES[mistake]
    result = mlflow_run(
        str(PROJECTS / "training"), "--backend-config", json.dumps({**config, **changed})
    )

    check(result, message, runs)
    assert jobs() == []


@pytest.mark.parametrize("mistake", PROJECT_MISTAKES)
def test_a_mistake_in_the_project_is_told_before_anything_is_created(
    mistake, mlflow_run, config, runs, jobs, tmp_path
):
    arguments, files, message = PROJECT_MISTAKES[mistake]
    project, empty = tmp_path / "project", tmp_path / "empty"
    shutil.copytree(PROJECTS / "training", project)
    empty.mkdir()
    for name, text in files.items():
        (project / name).write_text(text)
    words = [word.format(project=project, empty=empty) for word in arguments]

    check(mlflow_run(*words, "--backend-config", json.dumps(config)), message, runs)
    assert jobs() == []


def test_no_workspace_at_all_is_told(mlflow_run, runs):
    result = mlflow_run(str(PROJECTS / "training"))

    check(result, "No workspace is named.", runs)


def test_an_unreachable_azure_is_told(mlflow_run, config, runs, monkeypatch):
    # Nothing listens on port 9, so every request to Azure is refused on the way.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000001")
    config["workspace"] = {
        "subscription_id": "11111111-1111-1111-1111-111111111111",
        "resource_group": "r",
        "workspace_name": "w",
    }
    result = mlflow_run(str(PROJECTS / "training"), "--backend-config", json.dumps(config))

    check(result, "Error while opening workspace 'w' in 'r'", runs)


def test_a_missing_credential_is_told(mlflow_run, config, runs, monkeypatch, tmp_path):
    # No variables, no `az` on the path, no managed identity: nothing to sign in with.
    monkeypatch.setenv("PATH", str(tmp_path))
    config["workspace"] = {
        "subscription_id": "11111111-1111-1111-1111-111111111111",
        "resource_group": "r",
        "workspace_name": "w",
    }
    result = mlflow_run(str(PROJECTS / "training"), "--backend-config", json.dumps(config))

    check(result, "Sign in with `az login`", runs)
