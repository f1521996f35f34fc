"""The files that a backend config names are read from the project."""

import pytest

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.errors import ConfigError, EnvironmentSpecError
from mlflow_azureml_backend.project.config_files import read_config_files


def config(environment):
    return BackendConfig.model_validate({"compute": "cpu", "environment": environment})


@pytest.mark.parametrize(
    "environment",
    [
        None,
        "azureml:train:1",
        {"image": "i"},
        {"image": "i", "conda_file": {"dependencies": ["python"]}},
    ],
)
def test_a_config_that_names_no_file_is_the_same_config(environment, tmp_path):
    given = config(environment)
    assert read_config_files(given, tmp_path) == given


def test_a_conda_file_is_read_with_the_requirements_that_it_names(write):
    root = write({"env/c.yaml": "dependencies: [{pip: ['-r r.txt']}]", "env/r.txt": "pandas"})
    read = read_config_files(config({"image": "i", "conda_file": "env/c.yaml"}), root)
    assert read.environment.conda_file == {"dependencies": [{"pip": ["pandas"]}]}
    assert (read.environment.image, read.compute) == ("i", "cpu")


def test_a_conda_file_may_be_anywhere_on_this_machine(write, tmp_path):
    write({"c.yaml": "dependencies: [python]"}, folder="elsewhere")
    given = config({"image": "i", "conda_file": str(tmp_path / "elsewhere" / "c.yaml")})
    read = read_config_files(given, write({}))
    assert read.environment.conda_file == {"dependencies": ["python"]}


def test_a_conda_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(EnvironmentSpecError, match=r"absent\.yaml cannot be read"):
        read_config_files(config({"image": "i", "conda_file": "absent.yaml"}), tmp_path)


def test_an_environments_yaml_file_says_what_is_in_it_relative_to_itself(write):
    root = write(
        {
            "env/train.yml": "$schema: s\nname: train\nversion: 3\ntags: {a: b}\n"
            "image: ubuntu\nconda_file: c.yaml",
            "env/c.yaml": "dependencies: [python]",
        }
    )
    read = read_config_files(config("env/train.yml"), root).environment
    assert (read.image, read.conda_file, read.build) == (
        "ubuntu",
        {"dependencies": ["python"]},
        None,
    )


@pytest.mark.parametrize("file", ["", "env/train.yml"])
def test_a_build_context_is_found_relative_to_who_names_it(write, file):
    build = {"path": "docker", "dockerfile_path": "sub/D"}
    below = "env/" if file else ""
    root = write(
        {
            "env/train.yml": "build: {path: docker, dockerfile_path: sub/D}",
            f"{below}docker/sub/D": "FROM x",
        }
    )
    read = read_config_files(config(file or {"build": build}), root).environment.build
    assert read.path == str((root / below / "docker").resolve())
    assert read.dockerfile_path == "sub/D"


@pytest.mark.parametrize(
    ("environment", "files", "error", "said"),
    [
        ("absent.yml", {}, EnvironmentSpecError, "environment: there is no"),
        ("e.yml", {"e.yml": "- a"}, EnvironmentSpecError, "must hold a mapping"),
        (
            "e.yml",
            {"e.yml": "image: i\nconda: c"},
            ConfigError,
            "e.yml: environment.conda: unknown key. Did you mean 'conda_file'?",
        ),
        ("e.yml", {"e.yml": "name: n"}, ConfigError, "must have either image or build"),
        (
            {"build": {"path": "docker"}},
            {"docker/readme": ""},
            EnvironmentSpecError,
            "environment.build: there is no",
        ),
    ],
)
def test_a_file_that_is_missing_or_wrong_is_named_with_what_is_allowed(
    write, environment, files, error, said
):
    with pytest.raises(error) as caught:
        read_config_files(config(environment), write(files))
    assert said in str(caught.value)
