"""Projects of the kinds that people publish are read whole."""

import pytest

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project import EntryPoint, EnvironmentKind, Parameter
from mlflow_azureml_backend.project.spec import ProjectEnvironment


def test_a_project_with_a_conda_file(case, read):
    root = case("mlflow_example")
    project = read(root, parameters={"alpha": 0.5})
    assert project.name == "tutorial"
    assert project.root == root
    assert project.uri == str(root)
    assert project.version is None
    assert project.git is None
    assert project.parameters == {"alpha": "0.5"}
    assert project.entry_point == EntryPoint(
        name="main",
        command="python train.py {alpha} {l1_ratio}",
        parameters=(
            Parameter(name="alpha", type="float", default="0.1"),
            Parameter(name="l1_ratio", type="float", default="0.1"),
        ),
    )
    assert project.environment.kind is EnvironmentKind.CONDA
    assert project.environment.file == "conda.yaml"
    assert project.environment.conda == {
        "name": "tutorial",
        "channels": ["conda-forge"],
        "dependencies": [
            "python=3.8",
            "pip",
            {"pip": ["scikit-learn==1.2.2", "mlflow>=1.0", "pandas"]},
        ],
    }


def test_a_project_with_a_python_env(case, read):
    project = read(case("elasticnet_wine"))
    assert project.environment == ProjectEnvironment(
        kind=EnvironmentKind.PYTHON,
        file="python_env.yaml",
        python="3.10",
        requirements=("pip", "mlflow>=2.0", "numpy", "scikit-learn"),
    )


@pytest.mark.parametrize(
    ("entry_point", "parameters", "command"),
    [
        ("main", {}, "echo 'the main entry point'"),
        ("greeter", {"name": "x"}, "python greet.py {greeting} {name}"),
        ("count_lines", {"path": "conda.yaml"}, "cat {path} | wc -l"),
        ("download", {"uri": "https://h/x"}, "curl {uri} | wc -l"),
    ],
)
def test_a_project_with_many_entry_points_and_a_conda_file_by_default_name(
    case, read, entry_point, parameters, command
):
    project = read(case("example_project"), entry_point=entry_point, parameters=parameters)
    assert project.name is None
    assert project.entry_point.command == command
    assert project.environment.kind is EnvironmentKind.CONDA


def test_a_project_with_docker_and_keys_that_nobody_knows(case, read):
    project = read(case("docker_example"), parameters={"alpha": 1}, environ={"COPIED": "c"})
    assert project.environment == ProjectEnvironment(
        kind=EnvironmentKind.DOCKER,
        image="registry.example.com/train:1",
        variables=(("STAGE", "test"), ("COPIED", "c")),
    )


def test_a_project_with_only_a_requirements_file(case, read):
    environment = read(case("pip_requirements")).environment
    assert environment == ProjectEnvironment(
        kind=EnvironmentKind.REQUIREMENTS,
        file="requirements.txt",
        requirements=("mlflow==2.9.2", "scikit-learn>=1.3"),
    )


def test_a_project_with_hyphens_in_its_parameters(case, read):
    project = read(case("hyphenated_parameters"), parameters={"num-epochs": 3})
    assert [parameter.name for parameter in project.entry_point.parameters] == [
        "learning-rate",
        "num-epochs",
    ]
    assert project.environment.file == "environment.yml"


def test_a_project_without_environment(case, read):
    assert read(case("no_environment")).environment == ProjectEnvironment(kind=EnvironmentKind.NONE)


def test_requirement_files_that_include_each_other_are_read_from_where_they_are(case, read):
    assert read(case("nested_requirements")).environment.requirements == (
        "setuptools",
        "--extra-index-url https://pypi.example.com/simple",
        "mlflow==2.14.3",
        "scikit-learn==1.5.0    --hash=sha256:00",
        "pandas",
    )


def test_a_project_on_an_old_python_is_read_for_translation_to_judge(case, read):
    assert read(case("old_python")).environment.conda["dependencies"][0] == "python=3.7"


def test_a_python_env_goes_before_a_conda_file_when_neither_is_named(write, read):
    root = write(
        {
            "MLproject": "entry_points: {main: {command: x}}",
            "python_env.yaml": 'python: "3.10"',
            "conda.yaml": "dependencies: [python=3.9]",
            "requirements.txt": "pandas",
        }
    )
    assert read(root).environment.kind is EnvironmentKind.PYTHON


@pytest.mark.parametrize("name", ["MLproject", "mlproject", "MLPROJECT"])
def test_an_mlproject_file_may_be_spelled_in_any_case(write, read, name):
    assert read(write({name: "{name: n, entry_points: {main: {command: c}}}"})).name == "n"


@pytest.mark.parametrize(
    ("mlproject", "kind"),
    [("conda_env: absent.yaml", "conda"), ("python_env: absent.yaml", "python_env")],
)
def test_a_missing_environment_file_is_named(write, read, mlproject, kind):
    root = write({"MLproject": f"{mlproject}\nentry_points: {{main: {{command: c}}}}"})
    with pytest.raises(ProjectError, match=r"absent\.yaml") as caught:
        read(root)
    assert kind in str(caught.value)
