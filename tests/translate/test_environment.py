"""A project's environment becomes an image and a conda file in which the job can log."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.config.schema import BackendConfig, EnvironmentConfig
from mlflow_azureml_backend.errors import ConfigError, EnvironmentSpecError
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate import ClientVersions
from mlflow_azureml_backend.translate.base_image import CPU_IMAGE, CUDA_IMAGE
from mlflow_azureml_backend.translate.environment import environment_from_config, plan_environment
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

PLUGIN = "azureml-mlflow==1.62.0.post6"
SETUPTOOLS = "setuptools<81"


def plan(project=None, *, client_mlflow="3.10.0", **config):
    return plan_environment(
        project or ProjectEnvironment(kind=EnvironmentKind.NONE),
        BackendConfig.model_validate(config),
        versions=ClientVersions(python="3.11", mlflow=client_mlflow),
        releases=packaged_releases(),
        root=Path("project"),
    )


def from_project(environment, **keywords):
    return plan(environment, **keywords).spec


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
        ["conda-forge::mlflow", "mlflow<=3.15.0", "pip", {"pip": [PLUGIN]}],
        id="conda's solver is told the newest MLflow that works",
    ),
    pytest.param(
        {"dependencies": ["mlflow=2.3"]},
        ["mlflow=2.3", "pip", {"pip": ["mlflow-skinny==2.3.*", SETUPTOOLS, PLUGIN]}],
        id="conda's prefix spelling",
    ),
    pytest.param(
        {"dependencies": ["mlflow 2.9.2"]},
        ["mlflow 2.9.2", "pip", {"pip": ["mlflow-skinny==2.9.2", SETUPTOOLS, PLUGIN]}],
        id="conda's spelling with a space",
    ),
    pytest.param(
        {"dependencies": ["mlflow==2.9.2"]},
        ["mlflow==2.9.2", "pip", {"pip": ["mlflow-skinny==2.9.2", SETUPTOOLS, PLUGIN]}],
        id="conda's exact spelling",
    ),
    pytest.param(
        {"dependencies": ["mlflow >=2.3, <2.5"]},
        ["mlflow >=2.3, <2.5", "pip", {"pip": ["mlflow-skinny<2.5,>=2.3", SETUPTOOLS, PLUGIN]}],
        id="a range with spaces",
    ),
    pytest.param(
        {"dependencies": ["mlflow[version='<2.5']"]},
        ["mlflow[version='<2.5']", "pip", {"pip": ["mlflow-skinny<2.5", SETUPTOOLS, PLUGIN]}],
        id="conda's bracket spelling",
    ),
    pytest.param(
        {"dependencies": ["python=3.11", {"pip": ["mlflow", "azureml-mlflow", "six"]}]},
        ["python=3.11", "pip", {"pip": ["mlflow", "six", PLUGIN]}],
        id="a plugin without a version is given one",
    ),
    pytest.param(
        {"dependencies": ["python=3.11", "azureml-mlflow", {"pip": ["mlflow"]}]},
        ["python=3.11", "pip", {"pip": ["mlflow", PLUGIN]}],
        id="a plugin that conda is asked for comes from pip, which has it",
    ),
    pytest.param(
        {"dependencies": ["mlflow=2.3|3.1"]},
        ["mlflow=2.3|3.1", "mlflow<=3.15.0", "pip", {"pip": [PLUGIN]}],
        id="a choice that pip cannot say",
    ),
]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-e .", "."),
        (".[dev]", "."),
        ("-e ./libs/my tools[extra] ; python_version > '3'", "libs/my tools"),
        ("./wheels/x-1-py3-none-any.whl", "wheels/x-1-py3-none-any.whl"),
        ("--find-links ./wheels", "wheels"),
        ("-c ./constraints.txt", "constraints.txt"),
    ],
)
def test_packages_of_the_project_go_along_to_where_the_image_is_built(line, path):
    spec = from_conda({"dependencies": ["python=3.11", {"pip": ["mlflow==3.1.0", line]}]})
    assert (spec.image, spec.conda_file, spec.origin) == (None, None, "conda.yaml")
    assert spec.build.folder == Path("project")
    assert spec.build.paths == (path,)
    dockerfile = spec.build.files[spec.build.dockerfile]
    assert dockerfile.startswith(f"FROM {CPU_IMAGE}\n")
    (name,) = set(spec.build.files) - {spec.build.dockerfile}
    assert f"--file {name} " in dockerfile
    assert json.loads(spec.build.files[name])["dependencies"] == [
        "pip",
        "python=3.11",
        {"pip": sorted(["mlflow==3.1.0", line, PLUGIN])},
    ]


@pytest.mark.parametrize("line", ["git+https://h/x.git", "-f https://h/wheels", "x @ https://h/x"])
def test_what_pip_fetches_itself_stays_in_the_conda_file(line):
    assert from_conda({"dependencies": [{"pip": ["mlflow==3.1.0", line]}]}).build is None


def test_a_package_with_its_hash_goes_along_and_the_plugin_comes_at_the_start():
    line = "./wheels/x-1.whl --hash=sha256:00"
    planned = plan(
        ProjectEnvironment(
            kind=EnvironmentKind.CONDA,
            file="conda.yaml",
            conda={"dependencies": [{"pip": ["mlflow==3.1.0", line]}]},
        )
    )
    assert planned.spec.build.paths == ("wheels/x-1.whl",)
    assert f"azureml-mlflow=={planned.at_start.version}" == PLUGIN


def test_a_package_of_the_project_may_choose_the_mlflow():
    spec = from_conda({"dependencies": ["python=3.11", {"pip": ["-e ."]}]})
    (content,) = (text for text in spec.build.files.values() if text.startswith("{"))
    assert json.loads(content)["dependencies"][-1] == {"pip": ["-e .", PLUGIN, "mlflow"]}


@pytest.mark.parametrize(("content", "dependencies"), CONDA)
def test_a_conda_file_gets_the_plugin_in_its_pip_section(content, dependencies):
    before = copy.deepcopy(content)
    spec = from_conda(content)
    assert spec.conda_file["dependencies"] == dependencies
    assert spec.image == CPU_IMAGE
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
    ("python", "plugin"),
    [
        ("python=3.7", "1.55.0"),
        ("python==3.7.16", "1.55.0"),
        ("python 3.6", "1.48.0"),
        ("python<3.8", "1.55.0"),
        ("python>=3.5,<3.8", "1.55.0"),
        ("python~=3.7.2", "1.55.0"),
        ("conda-forge::python=3.7=*_cpython", "1.55.0"),
        ("python[version='3.6.*']", "1.48.0"),
    ],
)
def test_an_old_python_gets_an_old_plugin(python, plugin):
    spec = from_conda({"dependencies": [python, {"pip": ["mlflow==1.23.1"]}]})
    assert spec.conda_file["dependencies"][-1]["pip"][-1] == f"azureml-mlflow=={plugin}"


@pytest.mark.parametrize(
    ("python", "shown"), [("python=2", "python==2.*"), ("python==3.5.10", "python==3.5.10")]
)
def test_a_python_older_than_any_plugin_needs_is_refused(python, shown):
    with pytest.raises(EnvironmentSpecError) as caught:
        from_conda({"dependencies": [python, {"pip": ["mlflow"]}]})
    message = str(caught.value)
    assert f"asks for {shown}," in message
    assert "needs python>=3.6" in message


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
            {"pip": ["pip<24", "mlflow==2.14.3", "mlflow-skinny==2.14.3", SETUPTOOLS, PLUGIN]},
        ],
    }
    assert (spec.image, spec.origin) == (CPU_IMAGE, "python_env.yaml")


def test_a_python_env_without_a_python_gets_the_clients():
    spec = from_project(ProjectEnvironment(kind=EnvironmentKind.PYTHON, file="python_env.yaml"))
    assert spec.conda_file["dependencies"][0] == "python=3.11"


@pytest.mark.parametrize("python", ["3.5", "2.7", "2"])
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


DOCKER = ProjectEnvironment(kind=EnvironmentKind.DOCKER, image="registry.example/train:1")


def test_the_plugin_joins_a_docker_image_in_an_image_that_is_built_on_it():
    spec = from_project(DOCKER)
    assert (spec.image, spec.conda_file, spec.origin) == (None, None, "docker_env")
    assert spec.build.files["Dockerfile"].startswith("FROM registry.example/train:1\n")
    [(_, _), (name, script)] = spec.build.files.items()
    assert f"COPY {name} " in spec.build.files["Dockerfile"]
    assert f'PLUGIN = "{PLUGIN}"' in script
    assert 'MLFLOW = "mlflow-skinny==3.10.0"' in script
    compile(script, name, "exec")


def test_a_docker_image_is_run_as_it_is_when_nothing_may_be_injected():
    planned = plan(DOCKER, inject="never")
    assert (planned.spec.image, planned.spec.build) == ("registry.example/train:1", None)
    assert planned.at_start is None


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"environment": "azureml:train:1"}, {"reference": "azureml:train:1"}),
        ({"environment": {"image": "ubuntu:22.04"}}, {"image": "ubuntu:22.04"}),
        ({}, {"image": "registry.example/train:1"}),
    ],
)
def test_the_plugin_may_be_installed_when_the_job_starts_whatever_the_environment(config, kept):
    planned = plan(DOCKER, inject="command", **config)
    assert {name: getattr(planned.spec, name) for name in kept} == kept
    assert f"azureml-mlflow=={planned.at_start.version}" == PLUGIN


def test_the_configs_environment_gets_the_plugin_when_that_is_said():
    conda = {"dependencies": ["python=3.10", {"pip": ["mlflow==3.1.0"]}]}
    environment = {"image": "ubuntu:22.04", "conda_file": conda}
    asked = plan(environment=environment, inject="environment").spec
    assert asked.conda_file["dependencies"][-1] == {"pip": ["mlflow==3.1.0", PLUGIN]}
    assert asked.image == "ubuntu:22.04"
    assert plan(environment=environment).spec.conda_file == conda


def test_an_mlflow_newer_than_the_plugins_bound_is_kept():
    planned = plan(
        ProjectEnvironment(
            kind=EnvironmentKind.PYTHON, python="3.11", requirements=("mlflow==3.17.2",)
        )
    )
    pip = planned.spec.conda_file["dependencies"][-1]["pip"]
    assert pip[0] == "mlflow==3.17.2"
    assert any(line.startswith("azure-identity") for line in pip)
    assert not any(line.startswith("azureml-mlflow") for line in pip)
    assert f"azureml-mlflow=={planned.at_start.version}" == PLUGIN


@pytest.mark.parametrize(
    ("dependencies", "cuda"),
    [
        (["python=3.10", "pytorch"], False),
        (["python=3.10", "cudatoolkit=11.8"], True),
        (["nvidia::cuda-toolkit"], True),
        (["pytorch-cuda =12.1"], True),
        ([{"pip": ["torch==2.3.0+cu121"]}], True),
        ([{"pip": ["torch", "tensorflow[and-cuda]"]}], True),
        ([{"pip": ["--extra-index-url https://example.com/whl/cu118", "torch"]}], True),
        ([{"pip": ["cudahelpers"]}, "barracuda"], False),
    ],
)
def test_the_base_image_has_cuda_when_the_environment_needs_it(dependencies, cuda):
    assert from_conda({"dependencies": dependencies}).image == (CUDA_IMAGE if cuda else CPU_IMAGE)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("team/base:1", "team/base:1"),
        ({"base": "team/base:1"}, "team/base:1"),
        ({"gpu": True}, CUDA_IMAGE),
        ({"gpu": False}, CPU_IMAGE),
    ],
)
def test_the_config_may_choose_the_base_image(image, expected):
    assert from_conda({"dependencies": ["python=3.10"]}, image=image).image == expected
    assert plan(image=image).spec.image == expected


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


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(specs, st.fixed_dictionaries({"pip": st.lists(specs, max_size=3)}))))
def test_any_dependencies_give_an_environment_or_one_clear_error(dependencies):
    project = ProjectEnvironment(
        kind=EnvironmentKind.CONDA, file="conda.yaml", conda={"dependencies": dependencies}
    )
    try:
        planned = plan(project)
    except EnvironmentSpecError:
        return
    # A line may name a path of the project: the conda file is then part of a build context.
    named = "azureml-mlflow" in repr(planned.spec.conda_file or planned.spec.build.files).lower()
    assert named == (planned.at_start is None)


BACKEND = "mlflow-azureml-backend==0.1.0"


def plan_that_starts_runs(project, *, backend=BACKEND, **config):
    return plan_environment(
        project,
        BackendConfig.model_validate(config),
        versions=ClientVersions(python="3.11", mlflow="3.10.0", backend=backend),
        releases=packaged_releases(),
        root=Path("project"),
        starts_runs=True,
    )


REQUIREMENTS = ProjectEnvironment(
    kind=EnvironmentKind.REQUIREMENTS, file="requirements.txt", requirements=("mlflow==3.1.0",)
)


def test_a_job_that_starts_runs_gets_this_package():
    planned = plan_that_starts_runs(REQUIREMENTS)
    assert planned.spec.conda_file["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": ["mlflow==3.1.0", PLUGIN, BACKEND]},
    ]
    assert planned.notes == ()


@pytest.mark.parametrize(
    ("project", "keywords", "why"),
    [
        (REQUIREMENTS, {"backend": None}, "no release that can be named"),
        (REQUIREMENTS, {"inject": "never"}, "`inject` is never"),
        (REQUIREMENTS, {"environment": "azureml:e:1"}, "cannot be added to"),
        (
            ProjectEnvironment(kind=EnvironmentKind.DOCKER, image="ubuntu:22.04"),
            {},
            "cannot be added to",
        ),
        (
            ProjectEnvironment(
                kind=EnvironmentKind.REQUIREMENTS, requirements=("a==1 --hash=sha256:00",)
            ),
            {},
            "given by their hashes",
        ),
    ],
)
def test_where_this_package_cannot_be_added_the_user_is_told(project, keywords, why):
    planned = plan_that_starts_runs(project, **keywords)
    [note] = planned.notes
    assert "has to have mlflow-azureml-backend" in note
    assert why in note
    assert "mlflow-azureml-backend" not in str(planned.spec.conda_file)


def test_a_project_that_asks_for_this_package_keeps_its_own():
    project = ProjectEnvironment(
        kind=EnvironmentKind.REQUIREMENTS, requirements=("mlflow_azureml_backend==0.0.9",)
    )
    planned = plan_that_starts_runs(project, backend=None)
    assert planned.notes == ()
    assert BACKEND not in str(planned.spec.conda_file)
