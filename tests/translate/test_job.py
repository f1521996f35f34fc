"""The whole translation composes project and config, and the config goes first."""

from pathlib import Path

import pytest

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.project import (
    EntryPoint,
    EnvironmentKind,
    GitSource,
    ProjectEnvironment,
    ProjectSpec,
)
from mlflow_azureml_backend.translate import ClientVersions, translate


def project(**changes):
    return ProjectSpec(
        **{
            "name": "p",
            "root": Path("/project"),
            "uri": "/project",
            "version": None,
            "entry_point": EntryPoint(name="main", command="python t.py"),
            "parameters": {},
            "environment": ProjectEnvironment(kind=EnvironmentKind.NONE),
            **changes,
        }
    )


def job(project_spec, config=None, **keywords):
    return translate(
        project_spec,
        BackendConfig.model_validate(config or {}),
        **{
            "experiment_name": "mlflows",
            "run_name": "given",
            "versions": ClientVersions(python="3.11", mlflow="3.10.0"),
            **keywords,
        },
    )


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({}, "experiment_name", "mlflows"),
        ({"experiment_name": "configs"}, "experiment_name", "configs"),
        ({}, "display_name", "given"),
        ({"display_name": "configs"}, "display_name", "configs"),
        ({}, "compute", None),
        ({"compute": "gpu"}, "compute", "gpu"),
        ({"description": "d"}, "description", "d"),
        ({"tags": {"a": 1}}, "tags", {"a": "1"}),
    ],
)
def test_the_configs_word_goes_before_mlflows(config, field, value):
    assert getattr(job(project(), config), field) == value


def test_the_configs_variables_go_before_docker_envs():
    environment = ProjectEnvironment(
        kind=EnvironmentKind.DOCKER, image="i", variables=(("A", "docker"), ("B", "docker"))
    )
    spec = job(project(environment=environment), {"environment_variables": {"B": "config"}})
    assert spec.environment_variables == {"A": "docker", "B": "config"}


def test_docker_envs_variables_stay_when_the_config_names_another_environment():
    environment = ProjectEnvironment(
        kind=EnvironmentKind.DOCKER, image="i", variables=(("A", "docker"),)
    )
    spec = job(project(environment=environment), {"environment": "azureml:e:1"})
    assert spec.environment_variables == {"A": "docker"}
    assert spec.environment.reference == "azureml:e:1"


def test_the_local_env_manager_leaves_the_projects_environment_out():
    environment = ProjectEnvironment(kind=EnvironmentKind.DOCKER, image="i")
    spec = job(project(environment=environment), use_project_environment=False)
    assert spec.environment.image != "i"
    assert "python=3.11" in spec.environment.conda_file["dependencies"]


def test_a_project_in_git_carries_its_own_lineage():
    git = GitSource(commit="abc", repo_url="https://h/r", branch="main", dirty=True)
    assert job(project(git=git)).properties == {
        "mlflow.source.git.repoURL": "https://h/r",
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.commit": "abc",
        "azureml.git.dirty": "True",
    }


def test_what_git_does_not_know_is_left_out():
    assert job(project(git=GitSource(commit="abc"))).properties == {
        "mlflow.source.git.commit": "abc",
        "azureml.git.dirty": "False",
    }


def test_a_project_outside_git_keeps_a_strangers_commit_away():
    assert job(project()).properties == {"azureml.git.dirty": "False"}


def test_translating_twice_gives_the_same_job():
    assert job(project()) == job(project())


def test_a_job_cannot_be_changed():
    spec = job(project(), {"tags": {"a": "b"}})
    with pytest.raises(TypeError):
        spec.tags["a"] = "c"
    with pytest.raises(AttributeError):
        spec.command = "other"


@pytest.mark.parametrize(
    ("said", "config", "starts"),
    [
        (False, {}, False),
        (True, {}, True),
        (True, {"nested_runs": False}, False),
        (False, {"nested_runs": True}, True),
    ],
)
def test_the_config_goes_before_what_the_project_says_of_runs_that_it_starts(said, config, starts):
    config = {**config, "identity": {"type": "aml_token"}, "environment": "azureml:e:1"}
    notes = job(project(starts_runs=said), config).notes
    assert any("aml_token is not allowed to" in note for note in notes) is starts
    assert any("has to have mlflow-azureml-backend" in note for note in notes) is starts
