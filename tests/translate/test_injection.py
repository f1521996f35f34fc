"""`azureml-mlflow` joins the MLflow that the project asks for, and never replaces it."""

import pytest
from packaging.requirements import Requirement

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.translate.injection import injected_requirements

PLUGIN = "azureml-mlflow==1.62.0.post6"


def added(*requirements, client_mlflow="3.10.0"):
    return injected_requirements(requirements, client_mlflow=client_mlflow)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("3.10.0", ["mlflow==3.10.0"]),
        ("3.15.0", ["mlflow==3.15.0"]),
        ("3.17.2", ["mlflow==3.15.0"]),
        ("3.18.0.dev0", ["mlflow==3.15.0"]),
        ("2.15.0", ["mlflow==2.15.0"]),
        ("2.14.3", ["mlflow==2.14.3", "mlflow-skinny==2.14.3"]),
        ("2.9.2", ["mlflow==2.9.2", "mlflow-skinny==2.9.2"]),
    ],
)
def test_an_environment_without_mlflow_gets_the_clients_or_the_newest_that_works(client, expected):
    assert added("pandas", client_mlflow=client) == [*expected, PLUGIN]


@pytest.mark.parametrize(
    "requirement",
    [
        "mlflow",
        "MLflow",
        "mlflow>=1.0",
        "mlflow>=2.0,<4",
        "mlflow<3",
        "mlflow<=2.15",
        "mlflow==2.15.0",
        "mlflow==2.15.*",
        "mlflow>=2.14",
        "mlflow~=2.9",
        "mlflow!=2.15.0",
        "mlflow!=2.15.0,<3",
        "mlflow>2.15,<3",
        "mlflow==3.15.0",
        "mlflow<=3.20",
        "mlflow==3.1.0 --hash=sha256:00",
        "mlflow==3.1.0  # pinned",
        "mlflow[extras]==3.1.0",
        "mlflow==3.1.0 ; python_version > '3.9'",
        "mlflow @ https://example.com/mlflow-3.1.0-py3-none-any.whl",
        "mlflow-skinny",
        "mlflow_skinny==2.9.2",
    ],
)
def test_an_environment_with_mlflow_gets_the_plugin_alone(requirement):
    assert added(requirement) == [PLUGIN]


@pytest.mark.parametrize(
    ("requirement", "skinny"),
    [
        ("mlflow==2.9.2", "mlflow-skinny==2.9.2"),
        ("mlflow===2.9.2", "mlflow-skinny==2.9.2"),
        ("mlflow == 2.9.2", "mlflow-skinny==2.9.2"),
        ("mlflow==2.14.3 --hash=sha256:00", "mlflow-skinny==2.14.3"),
        ("mlflow==2.3.*", "mlflow-skinny==2.3.*"),
        ("mlflow<2.15", "mlflow-skinny<2.15"),
        ("mlflow<=2.14.3", "mlflow-skinny<=2.14.3"),
        ("mlflow>=2.3,<2.10", "mlflow-skinny<2.10,>=2.3"),
        ("mlflow~=2.9.0", "mlflow-skinny~=2.9.0"),
        ("mlflow==1.30.0", "mlflow-skinny==1.30.0"),
        ("mlflow[extras]==2.9.2", "mlflow-skinny==2.9.2"),
    ],
)
def test_an_mlflow_that_does_not_bring_skinny_gets_skinny_of_the_same_version(requirement, skinny):
    assert added("pandas", requirement) == [skinny, PLUGIN]
    Requirement(skinny)


@pytest.mark.parametrize(
    ("mlflow", "skinny"),
    [("mlflow==2.9.2", "mlflow-skinny==2.9.2"), ("mlflow<2.10", "mlflow-skinny")],
)
def test_a_skinny_that_the_environment_names_is_not_named_again(mlflow, skinny):
    assert added(mlflow, skinny) == [PLUGIN]


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("mlflow==3.17.2", "mlflow==3.17.2"),
        ("mlflow===3.17.2", "mlflow==3.17.2"),
        ("mlflow==3.16.*", "mlflow==3.16.*"),
        ("mlflow>=3.16", "mlflow>=3.16"),
        ("mlflow>3.15.0", "mlflow>3.15.0"),
        ("mlflow~=3.16.0", "mlflow~=3.16.0"),
        ("mlflow>=3.16,<4", "mlflow>=3.16"),
        ("mlflow-skinny==3.17.2", "mlflow-skinny==3.17.2"),
        ("mlflow==4.0.0", "mlflow==4.0.0"),
    ],
)
def test_an_mlflow_newer_than_the_plugin_works_with_is_refused_by_name(requirement, pin):
    with pytest.raises(EnvironmentSpecError) as caught:
        added("pandas", requirement)
    message = str(caught.value)
    assert f"asks for {pin}," in message
    package = Requirement(pin).name
    assert f"Pin {package}<=3.15.0" in message


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://pypi.example.com/simple",
        "-e .",
        "./wheels/a.whl",
        "git+https://example.com/a.git@main",
        "openssl==1.1.1w",
        "",
        "mlflow===one",
    ],
)
def test_a_line_that_names_no_package_and_version_is_left_to_pip(line):
    assert added(line, "azureml-mlflow") == []
    assert added(line) == ["mlflow==3.10.0", PLUGIN]
