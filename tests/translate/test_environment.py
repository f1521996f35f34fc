"""A project's environment becomes an image and a conda file in which the job can log."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.config.schema import EnvironmentConfig
from mlflow_azureml_backend.errors import ConfigError, EnvironmentSpecError
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.environment import (
    DEFAULT_IMAGE,
    environment_from_config,
    environment_from_project,
)

PLUGIN = "azureml-mlflow==1.62.0.post6"


def from_project(environment, *, client_mlflow="3.10.0"):
    return environment_from_project(environment, client_python="3.11", client_mlflow=client_mlflow)


def from_conda(content, **keywords):
    environment = ProjectEnvironment(kind=EnvironmentKind.CONDA, file="conda.yaml", conda=content)
    return from_project(environment, **keywords)


CONDA = [
    pytest.param(
        {"dependencies": ["python=3.10", "pip", {"pip": ["mlflow==3.1.0"]}]},
        ["python=3.10", "pip", {"pip": ["mlflow==3.1.0", PLUGIN]}],
        id="a pip section is extended",
    ),
    pytest.param(
        {"dependencies": ["python=3.10", "mlflow=3.1"]},
        ["python=3.10", "mlflow=3.1", "pip", {"pip": [PLUGIN]}],
        id="a missing pip section is added, and pip with it",
    ),
    pytest.param(
        {"dependencies": ["python=3.10", "conda-forge::pip>=22", "mlflow=3.1"]},
        ["python=3.10", "conda-forge::pip>=22", "mlflow=3.1", {"pip": [PLUGIN]}],
        id="pip is not added twice",
    ),
    pytest.param(
        {"dependencies": [{"pip": ["mlflow"]}, "python=3.10", {"pip": ["pandas"]}, "pip"]},
        ["python=3.10", "pip", {"pip": ["mlflow", "pandas", PLUGIN]}],
        id="several pip sections become one, at the end",
    ),
    pytest.param(
        {"dependencies": []},
        ["pip", {"pip": ["mlflow==3.10.0", PLUGIN]}],
        id="no dependencies",
    ),
    pytest.param(
        {"name": "x"}, ["pip", {"pip": ["mlflow==3.10.0", PLUGIN]}], id="no dependencies key"
    ),
    pytest.param(
        {"dependencies": ["conda-forge::mlflow"]},
        ["conda-forge::mlflow", "pip", {"pip": [PLUGIN]}],
        id="a channel before mlflow",
    ),
    pytest.param(
        {"dependencies": ["mlflow=2.3"]},
        ["mlflow=2.3", "pip", {"pip": ["mlflow-skinny==2.3.*", PLUGIN]}],
        id="conda's prefix spelling",
    ),
    pytest.param(
        {"dependencies": ["mlflow 2.9.2"]},
        ["mlflow 2.9.2", "pip", {"pip": ["mlflow-skinny==2.9.2", PLUGIN]}],
        id="conda's spelling with a space",
    ),
    pytest.param(
        {"dependencies": ["mlflow==2.9.2"]},
        ["mlflow==2.9.2", "pip", {"pip": ["mlflow-skinny==2.9.2", PLUGIN]}],
        id="conda's exact spelling",
    ),
    pytest.param(
        {"dependencies": ["mlflow >=2.3, <2.5"]},
        ["mlflow >=2.3, <2.5", "pip", {"pip": ["mlflow-skinny<2.5,>=2.3", PLUGIN]}],
        id="a range with spaces",
    ),
    pytest.param(
        {"dependencies": ["mlflow[version='<2.5']"]},
        ["mlflow[version='<2.5']", "pip", {"pip": ["mlflow-skinny<2.5", PLUGIN]}],
        id="conda's bracket spelling",
    ),
    pytest.param(
        {"dependencies": ["mlflow=2.3|3.1"]},
        ["mlflow=2.3|3.1", "pip", {"pip": [PLUGIN]}],
        id="a choice that pip cannot say",
    ),
]


@pytest.mark.parametrize(("content", "dependencies"), CONDA)
def test_a_conda_file_gets_the_plugin_in_its_pip_section(content, dependencies):
    before = copy.deepcopy(content)
    spec = from_conda(content)
    assert spec.conda_file["dependencies"] == dependencies
    assert spec.image == DEFAULT_IMAGE
    assert spec.origin == "conda.yaml"
    assert spec.reference is None
    assert content == before


def test_name_channels_and_their_order_are_kept():
    content = {
        "name": "train",
        "channels": ["pytorch", "conda-forge", "defaults"],
        "variables": {"A": "1"},
        "dependencies": ["python=3.10"],
    }
    conda = from_conda(content).conda_file
    assert conda == {**content, "dependencies": conda["dependencies"]}
    assert list(conda) == list(content)


@pytest.mark.parametrize(
    "dependencies",
    [
        ["python=3.10", {"pip": ["azureml-mlflow"]}],
        ["python=3.10", {"pip": ["mlflow==2.9.2", "AzureML_MLflow==1.53.0"]}],
        ["python=3.7", {"pip": ["azureml-mlflow<1.50"]}],
        [{"pip": ["a"]}, "python", {"pip": ["azureml-mlflow ; python_version > '3'"]}],
    ],
)
def test_an_environment_that_names_the_plugin_is_left_as_it_is(dependencies):
    content = {"channels": ["x"], "dependencies": dependencies}
    assert from_conda(content).conda_file == content


@pytest.mark.parametrize(("content", "dependencies"), CONDA)
def test_adding_the_plugin_twice_changes_nothing(content, dependencies):
    once = from_conda(content).conda_file
    assert from_conda(once).conda_file == once


SUPPORTED_PYTHON = [
    "python",
    "python=3",
    "python=3.*",
    "python=3.8",
    "python=3.10",
    "python=3.10.*",
    "python==3.10.4",
    "python 3.10",
    "python 3.10.*",
    "python>=3.6",
    "python>3.7",
    "python>=3.8,<3.11",
    "python <3.11, >=3.8",
    "python<=3.9",
    "python!=3.7",
    "python~=3.7",
    "python=3.10=*_cpython",
    "python[version='>=3.9']",
    "conda-forge::python=3.12",
    "python=3.6|3.10",
]


@pytest.mark.parametrize("python", SUPPORTED_PYTHON)
def test_a_python_that_the_plugin_supports_is_kept(python):
    spec = from_conda({"dependencies": [python, {"pip": ["mlflow"]}]})
    assert spec.conda_file["dependencies"][0] == python


@pytest.mark.parametrize(
    ("python", "shown"),
    [
        ("python=3.7", "python==3.7.*"),
        ("python=2", "python==2.*"),
        ("python==3.7.16", "python==3.7.16"),
        ("python 3.6", "python==3.6"),
        ("python 3.6.*", "python==3.6.*"),
        ("python<3.8", "python<3.8"),
        ("python<=3.7", "python<=3.7"),
        ("python>=3.5,<3.8", "python<3.8,>=3.5"),
        ("python~=3.7.2", "python~=3.7.2"),
        ("conda-forge::python=3.7", "python==3.7.*"),
        ("python=3.7=*_cpython", "python==3.7.*"),
        ("python[version='3.7.*']", "python==3.7.*"),
    ],
)
def test_a_python_older_than_the_plugin_needs_is_refused(python, shown):
    with pytest.raises(EnvironmentSpecError) as caught:
        from_conda({"dependencies": [python, {"pip": ["mlflow"]}]})
    message = str(caught.value)
    assert f"asks for {shown}," in message
    assert "needs 3.8 or newer" in message


def test_a_conda_dependency_that_is_none_is_named():
    with pytest.raises(EnvironmentSpecError, match=r"'=3\.10' is no conda dependency"):
        from_conda({"dependencies": ["=3.10"]})


def test_a_python_env_becomes_a_conda_file():
    environment = ProjectEnvironment(
        kind=EnvironmentKind.PYTHON,
        file="python_env.yaml",
        python="3.10.4",
        requirements=("pip<24", "mlflow==2.14.3"),
    )
    spec = from_project(environment)
    assert spec.conda_file == {
        "channels": ["conda-forge"],
        "dependencies": [
            "python=3.10.4",
            "pip",
            {"pip": ["pip<24", "mlflow==2.14.3", "mlflow-skinny==2.14.3", PLUGIN]},
        ],
    }
    assert (spec.image, spec.origin) == (DEFAULT_IMAGE, "python_env.yaml")


def test_a_python_env_without_a_python_gets_the_clients():
    spec = from_project(ProjectEnvironment(kind=EnvironmentKind.PYTHON, file="python_env.yaml"))
    assert spec.conda_file["dependencies"][0] == "python=3.11"


@pytest.mark.parametrize("python", ["3.7", "3.7.16", "2.7", "2"])
def test_a_python_env_older_than_the_plugin_needs_is_refused(python):
    with pytest.raises(EnvironmentSpecError, match=f"asks for python=={python}"):
        from_project(ProjectEnvironment(kind=EnvironmentKind.PYTHON, python=python))


def test_a_project_without_environment_gets_this_machines_python_and_mlflow():
    spec = from_project(ProjectEnvironment(kind=EnvironmentKind.NONE), client_mlflow="3.4.0")
    assert spec.conda_file["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": ["mlflow==3.4.0", PLUGIN]},
    ]
    assert spec.origin == "no environment file: Python 3.11 and MLflow as here"


def test_a_docker_image_is_run_as_it_is():
    spec = from_project(ProjectEnvironment(kind=EnvironmentKind.DOCKER, image="team/train:1"))
    assert (spec.image, spec.conda_file, spec.origin) == ("team/train:1", None, "docker_env")


@pytest.mark.parametrize(
    "reference",
    [
        "azureml:train:1",
        "azureml:AzureML-sklearn-1.5@latest",
        "azureml:train:2024.01-rc",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
    ],
)
def test_the_configs_environment_may_be_a_reference(reference):
    spec = environment_from_config(reference)
    assert (spec.reference, spec.image, spec.conda_file) == (reference, None, None)
    assert spec.origin == "backend config"


@pytest.mark.parametrize(
    "text",
    ["train", "train:1", "azureml:train", "azureml:", "azureml::1", "azureml:a:b:c", "conda.yaml"],
)
def test_the_configs_environment_refuses_what_is_no_reference(text):
    with pytest.raises(ConfigError, match=r"environment: .* is no environment; write"):
        environment_from_config(text)


def test_the_configs_own_conda_file_gets_nothing_added():
    conda = {"dependencies": ["python=3.10"]}
    spec = environment_from_config(EnvironmentConfig(image="ubuntu:22.04", conda_file=conda))
    assert (spec.image, spec.conda_file) == ("ubuntu:22.04", conda)


def test_the_configs_image_may_stand_alone():
    spec = environment_from_config(EnvironmentConfig(image="ubuntu:22.04"))
    assert (spec.image, spec.conda_file) == ("ubuntu:22.04", None)


specs = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="mlfowpyth=<>!~.,|*[]':3 1", max_size=20),
    st.from_regex(r"(mlflow|python|azureml-mlflow)[=<>!~ ]{0,3}[0-9.*|,]{0,6}", fullmatch=True),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(specs, st.fixed_dictionaries({"pip": st.lists(specs, max_size=3)}))))
def test_any_dependencies_give_an_environment_or_one_clear_error(dependencies):
    try:
        conda = from_conda({"dependencies": dependencies}).conda_file
    except EnvironmentSpecError:
        return
    assert "azureml" in repr(conda["dependencies"]).lower()
