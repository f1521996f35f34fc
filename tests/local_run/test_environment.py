"""What makes the environment of a project on this machine, and how the plugin gets into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.local_run.environment import EnvironmentManager, manager_of
from mlflow_azureml_backend.local_run.plugin import with_plugin
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.project.local_command import _quoting, _with_requirements
from mlflow_azureml_backend.translate.environment import ClientVersions

CLIENT = ClientVersions(python="3.11", mlflow="3.17.2")


@pytest.fixture(autouse=True)
def programs(tmp_path, monkeypatch):
    """Let this machine have pyenv, uv, conda and docker, and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CONDA_EXE", "MLFLOW_CONDA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("pyenv", "uv", "conda", "docker"):
        (tmp_path / name).touch(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "asked", "chosen"),
    [
        ("CONDA", None, "conda"),
        ("CONDA", "virtualenv", "virtualenv"),
        ("PYTHON", None, "virtualenv"),
        ("PYTHON", "uv", "uv"),
        ("PYTHON", "local", "local"),
        ("REQUIREMENTS", None, "virtualenv"),
        ("NONE", None, "local"),
        ("DOCKER", None, "docker"),
        ("DOCKER", "local", "docker"),
    ],
)
def test_the_environment_is_made_as_mlflow_would(kind, asked, chosen):
    environment = ProjectEnvironment(kind=EnvironmentKind[kind])

    assert manager_of(environment, asked) is EnvironmentManager(chosen)


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        ("PYTHON", "conda", "no conda_env"),
        ("PYTHON", "docker", "has no docker_env"),
        ("PYTHON", "poetry", "--env-manager poetry is not known"),
    ],
)
def test_an_environment_manager_that_does_not_fit_is_refused(kind, asked, said):
    with pytest.raises(EnvironmentSpecError, match=said):
        manager_of(ProjectEnvironment(kind=EnvironmentKind[kind]), asked)


def test_a_machine_without_the_program_is_told_what_else_there_is(programs):
    (programs / "conda").unlink()

    with pytest.raises(EnvironmentSpecError) as caught:
        manager_of(ProjectEnvironment(kind=EnvironmentKind.CONDA), None)

    assert "needs `conda`, which this machine does not have. Install it, or choose another" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("environment", "plugin"),
    [
        ({"kind": "PYTHON", "python": "3.7", "requirements": ("mlflow",)}, "azureml-mlflow==1.5"),
        ({"kind": "PYTHON", "python": "3.10", "requirements": ()}, "azureml-mlflow==1.62"),
        ({"kind": "PYTHON", "requirements": ("mlflow==3.17.2",)}, "azureml-mlflow==1.62"),
        (
            {"kind": "CONDA", "conda": {"dependencies": ["python=3.9", {"pip": ["mlflow<3"]}]}},
            "azureml-mlflow==1.6",
        ),
        ({"kind": "DOCKER", "image": "image"}, "azureml-mlflow==1.62"),
    ],
)
def test_the_plugin_that_fits_joins_the_environment(environment, plugin):
    own = ProjectEnvironment(**{**environment, "kind": EnvironmentKind[environment["kind"]]})

    command = with_plugin("python train.py", own, manager_of(own, None), CLIENT)

    assert f'PLUGIN = "{plugin}' in command
    assert "python train.py" in command


def test_an_environment_that_no_plugin_can_join_is_refused():
    own = ProjectEnvironment(kind=EnvironmentKind.PYTHON, python="3.5")

    with pytest.raises(EnvironmentSpecError, match=r"asks for python==3\.5"):
        with_plugin("true", own, EnvironmentManager.UV, CLIENT)


def test_a_plugin_that_the_project_pins_is_its_own_affair():
    own = ProjectEnvironment(
        kind=EnvironmentKind.PYTHON, requirements=("mlflow==2.22.4", "azureml-mlflow==1.60.0.post1")
    )

    assert with_plugin("true", own, EnvironmentManager.UV, CLIENT) == "true"


def test_a_container_gets_the_project_its_data_and_variables_by_name():
    def of_mlflow(**_):
        return ["docker", "run", "--rm", "-e", "A=two words", "image:1"]

    wanted = {"variables": ["MLFLOW_TRACKING_TOKEN"], "root": "/my project", "mounts": ["/data"]}

    assert " ".join(_quoting(of_mlflow, wanted)(image="x")) == (
        "docker run --rm -e 'A=two words' -e MLFLOW_TRACKING_TOKEN -v '/my project:/my project' "
        "-v /data:/data -w '/my project' image:1"
    )


def test_a_requirements_file_alone_is_a_python_env_to_mlflow(tmp_path):
    import yaml
    from mlflow.projects.utils import load_project

    (tmp_path / "MLproject").write_text("name: x\n")

    made = _with_requirements(load_project, "requirements.txt")(str(tmp_path))

    written = yaml.safe_load(Path(made.env_config_path).read_text())
    assert written == {"dependencies": ["-r requirements.txt"]}
    assert _with_requirements(load_project, None)(str(tmp_path)).env_config_path is None
