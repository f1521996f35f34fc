"""What this machine's engine has to do for an image is said before it is asked."""

from pathlib import Path

import pytest

from mlflow_azureml_backend.config.schema import BackendConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import BuildSpec, LocalImageSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate import ClientVersions
from mlflow_azureml_backend.translate.environment import plan_environment
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

CONTEXT = Path("project")
DOCKERFILE = ProjectEnvironment(kind=EnvironmentKind.DOCKERFILE, file="Dockerfile", context=CONTEXT)
DOCKER = ProjectEnvironment(kind=EnvironmentKind.DOCKER, image="train:1")
CONDA = ProjectEnvironment(kind=EnvironmentKind.CONDA, file="conda.yaml", conda={})
REPOSITORY = {"repository": "r.io/team/project"}


def plan(project, **config):
    return plan_environment(
        project,
        BackendConfig.model_validate(config),
        versions=ClientVersions(python="3.11", mlflow="3.10.0"),
        releases=packaged_releases(),
        root=Path("project"),
    )


def test_a_dockerfile_is_built_here_where_a_repository_is_named_and_by_azure_ml_elsewhere():
    here = plan(DOCKERFILE, image={**REPOSITORY, "build": True})
    assert here.spec.build == BuildSpec(folder=CONTEXT, dockerfile="Dockerfile")
    assert (here.spec.local.name, here.spec.local.repository) == (None, "r.io/team/project")
    assert here.spec.local.push
    # The image is known, so the plugin goes into it.
    assert here.spec.local.layer.files["Dockerfile"].startswith("ARG IMAGE\nFROM ${IMAGE}\nCOPY ")
    assert here.at_start is None

    there = plan(DOCKERFILE)
    assert there.spec.build == here.spec.build
    assert there.spec.local is None
    assert there.at_start is not None


def test_an_image_of_docker_env_may_be_on_this_machine_alone():
    spec = plan(DOCKER).spec
    assert (spec.local.name, spec.local.repository) == ("train:1", None)
    assert spec.local.layer.files.keys() == spec.build.files.keys()
    assert spec.build.files["Dockerfile"].startswith("FROM train:1\nCOPY ")
    named = plan(DOCKER, image={**REPOSITORY, "push": False}, inject="never").spec
    assert named.image == "train:1"
    assert named.local == LocalImageSpec(name="train:1", push=False, **REPOSITORY)


def test_the_configs_own_environment_is_built_and_pushed_too():
    environment = {"build": {"path": "docker"}}
    spec = plan(CONDA, environment=environment, image=REPOSITORY).spec
    assert spec.build.folder == Path("docker")
    # It runs as it is, as ever.
    assert spec.local == LocalImageSpec(**REPOSITORY)


@pytest.mark.parametrize(
    ("project", "image", "message"),
    [
        (CONDA, REPOSITORY, r"image.repository: nothing would be pushed .*\(conda\.yaml\)\. Add a"),
        (CONDA, {**REPOSITORY, "build": True}, r"image.build: .*\(conda\.yaml\) has no Dockerfile"),
        (DOCKER, {**REPOSITORY, "build": True}, r"image.build: .*\(docker_env\) has no Dockerfile"),
    ],
)
def test_a_repository_that_nothing_would_be_pushed_to_is_refused(project, image, message):
    with pytest.raises(ConfigError, match=message):
        plan(project, image=image)
