"""The conda file that a backend config names is read from the project."""

import pytest

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.errors import EnvironmentSpecError
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
    assert read_config_files(given, tmp_path) is given


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
