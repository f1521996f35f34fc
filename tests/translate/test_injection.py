"""`azureml-mlflow` joins the MLflow that the project asks for, and never replaces it."""

import pytest
from packaging.requirements import Requirement

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.translate.injection import plan_injection
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

PLUGIN = "azureml-mlflow==1.62.0.post6"
SETUPTOOLS = "setuptools<81"


def plan(*requirements, client_mlflow="3.10.0"):
    return plan_injection(requirements, client_mlflow=client_mlflow, releases=packaged_releases())


def added(*requirements, client_mlflow="3.10.0"):
    injection = plan(*requirements, client_mlflow=client_mlflow)
    assert injection.at_start is None
    return list(injection.requirements)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("3.10.0", ["mlflow==3.10.0"]),
        ("3.15.0", ["mlflow==3.15.0"]),
        ("3.17.2", ["mlflow==3.15.0"]),
        ("3.18.0.dev0", ["mlflow==3.15.0"]),
        ("2.16.0", ["mlflow==2.16.0"]),
        ("2.15.0", ["mlflow==2.15.0", SETUPTOOLS]),
        ("2.14.3", ["mlflow==2.14.3", "mlflow-skinny==2.14.3", SETUPTOOLS]),
        ("2.9.2", ["mlflow==2.9.2", "mlflow-skinny==2.9.2", SETUPTOOLS]),
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
        "mlflow==2.16.0",
        "mlflow==2.16.*",
        "mlflow>=2.14",
        "mlflow~=2.9",
        "mlflow!=2.15.0",
        "mlflow!=2.15.0,<3",
        "mlflow>2.15,<3",
        "mlflow==3.15.0",
        "mlflow<=3.20",
        "mlflow==3.1.0  # pinned",
        "mlflow[extras]==3.1.0",
        "mlflow==3.1.0 ; python_version > '3.9'",
        "mlflow @ https://example.com/mlflow-3.1.0-py3-none-any.whl",
        "mlflow-skinny",
    ],
)
def test_an_environment_with_mlflow_gets_the_plugin_alone(requirement):
    assert added(requirement) == [PLUGIN]


@pytest.mark.parametrize(
    "requirement",
    ["mlflow<=2.15", "mlflow==2.15.0", "mlflow==2.15.*", "mlflow_skinny==2.9.2"],
)
def test_an_mlflow_that_imports_pkg_resources_gets_the_setuptools_that_has_it(requirement):
    assert added(requirement) == [SETUPTOOLS, PLUGIN]
    assert added(requirement, "setuptools==70.0") == [PLUGIN]


@pytest.mark.parametrize(
    ("requirement", "skinny"),
    [
        ("mlflow==2.9.2", "mlflow-skinny==2.9.2"),
        ("mlflow===2.9.2", "mlflow-skinny==2.9.2"),
        ("mlflow == 2.9.2", "mlflow-skinny==2.9.2"),
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
    assert added("pandas", requirement) == [skinny, SETUPTOOLS, PLUGIN]
    Requirement(skinny)


@pytest.mark.parametrize(
    ("mlflow", "skinny"),
    [("mlflow==2.9.2", "mlflow-skinny==2.9.2"), ("mlflow<2.10", "mlflow-skinny")],
)
def test_a_skinny_that_the_environment_names_is_not_named_again(mlflow, skinny):
    assert skinny not in added(mlflow, skinny)


@pytest.mark.parametrize(
    "requirement",
    [
        "mlflow==3.17.2",
        "mlflow===3.17.2",
        "mlflow==3.16.*",
        "mlflow>=3.16",
        "mlflow>3.15.0",
        "mlflow~=3.16.0",
        "mlflow>=3.16,<4",
        "mlflow-skinny==3.17.2",
        "mlflow==4.0.0",
    ],
)
def test_beside_an_mlflow_newer_than_its_bound_the_plugin_is_installed_when_the_job_starts(
    requirement,
):
    injection = plan("pytz==2024.1", requirement)
    assert str(injection.at_start.version) == PLUGIN.partition("==")[2]
    names = [Requirement(text).name for text in injection.requirements]
    assert "azure-storage-blob" in names
    assert not {"azureml-mlflow", "mlflow", "mlflow-skinny", "pytz"} & set(names)


@pytest.mark.parametrize(
    "requirements",
    [
        ["mlflow==3.1.0 --hash=sha256:00"],
        ["pandas==2.0 --hash=sha256:00", "mlflow==2.9.2 --hash=sha256:00"],
        ["pandas==2.0 --hash=sha256:00"],
        ["mlflow==3.17.2 --hash=sha256:00"],
    ],
)
def test_beside_hashes_which_pip_would_want_of_all_nothing_is_added_to_the_environment(
    requirements,
):
    injection = plan(*requirements)
    assert injection.requirements == ()
    assert str(injection.at_start.version) == PLUGIN.partition("==")[2]


@pytest.mark.parametrize(
    ("python", "mlflow", "plugin"),
    [
        ("python==3.7.*", "mlflow==1.30.0", "azureml-mlflow==1.55.0"),
        ("python==3.6.*", "mlflow==1.23.1", "azureml-mlflow==1.48.0"),
        ("python<3.8", "mlflow", "azureml-mlflow==1.55.0"),
        ("python==3.8.*", "mlflow==2.17.2", PLUGIN),
        ("python>=3.6", "mlflow==2.17.2", PLUGIN),
    ],
)
def test_an_old_python_gets_the_newest_plugin_that_it_can_have(python, mlflow, plugin):
    assert added(python, mlflow)[-1] == plugin


@pytest.mark.parametrize("python", ["python==2.7.*", "python==3.5.*", "python==4.0.*"])
def test_a_python_that_no_plugin_can_have_is_refused(python):
    with pytest.raises(EnvironmentSpecError, match="Ask for another Python"):
        added(python, "mlflow")


@pytest.mark.parametrize(
    ("requirements", "bounds"),
    [
        (["mlflow"], ["mlflow<=3.15.0"]),
        (["mlflow>=3.1"], ["mlflow<=3.15.0"]),
        (["mlflow-skinny"], ["mlflow-skinny<=3.15.0"]),
        (["mlflow<=3.10"], []),
        (["mlflow==3.1.0"], []),
        (["python==3.7.*", "mlflow"], ["mlflow<=2.22.4"]),
    ],
)
def test_a_solver_that_does_not_know_the_plugin_is_told_its_newest_mlflow(requirements, bounds):
    injection = plan(*requirements)
    assert [text.partition("<=")[0] for text in injection.bounds] == [
        text.partition("<=")[0] for text in bounds
    ]
    assert list(injection.bounds) == bounds or "python==3.7.*" in requirements


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (["mlflow==3.1.0", "azureml-mlflow==1.60.0"], "Remove azureml-mlflow from the environment"),
        (["mlflow==3.10.0", "azureml-mlflow==1.61.0"], "works with mlflow<=3.5.0"),
        (["mlflow==3.1.0", "azure-storage-blob==12.31.0"], "azure-storage-blob==12.31.0"),
        (["mlflow==3.1.0", "azure-storage-blob>=12.28"], "takes azure-storage-blob"),
        (["mlflow==3.17.2", "azure-storage-blob>=12.28"], "takes azure-storage-blob"),
    ],
)
def test_pins_that_cannot_work_together_are_named_before_anything_is_submitted(requirements, said):
    with pytest.raises(EnvironmentSpecError) as caught:
        plan(*requirements)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "requirements",
    [
        ["mlflow==3.1.0", "azureml-mlflow==1.61.0"],
        ["azureml-mlflow==1.60.0"],
        ["mlflow==3.17.2", "azureml-mlflow==9.0"],
        ["mlflow==3.1.0", "azureml-mlflow==1.62.0.post6", "azure-storage-blob==12.31.0"],
        ["mlflow==3.1.0 --hash=sha256:00", "azureml-mlflow==1.61.0 --hash=sha256:01"],
    ],
)
def test_a_plugin_that_the_project_names_and_that_may_work_is_left_alone(requirements):
    assert added(*requirements) == []


@pytest.mark.parametrize(
    ("requirements", "chosen"),
    [
        (["mlflow", "azureml-mlflow"], [PLUGIN]),
        (["mlflow==3.1.0", "azureml_mlflow"], [PLUGIN]),
        (
            ["mlflow==2.9.2", "azureml-mlflow>=1.55"],
            ["mlflow-skinny==2.9.2", SETUPTOOLS, PLUGIN],
        ),
        (["mlflow==2.16.2", "azureml-mlflow<1.61"], ["azureml-mlflow==1.60.0.post1"]),
        (["python==3.7.*", "mlflow", "azureml-mlflow"], ["azureml-mlflow==1.55.0"]),
    ],
)
def test_a_plugin_that_leaves_a_choice_is_chosen_as_pip_would_not(requirements, chosen):
    injection = plan(*requirements)
    assert list(injection.requirements) == chosen
    assert injection.replaces_plugin


def test_a_named_plugin_beside_an_mlflow_newer_than_its_bound_comes_at_the_start():
    injection = plan("mlflow==3.17.2", "azureml-mlflow")
    assert f"azureml-mlflow=={injection.at_start.version}" == PLUGIN
    assert injection.replaces_plugin


def test_the_table_is_in_order_and_says_what_each_release_needs():
    releases = packaged_releases()
    versions = [release.version for release in releases.releases]
    assert versions == sorted(versions, reverse=True)
    assert all(release.requirements for release in releases.releases)
    unbounded = next(each for each in releases.releases if str(each.version) == "1.60.0")
    assert "3.0.0" not in unbounded.mlflow
    assert "2.22.0" in unbounded.mlflow


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://pypi.example.com/simple",
        "git+https://example.com/a.git@main",
        "openssl==1.1.1w",
        "",
        "mlflow===one",
    ],
)
def test_a_line_that_names_no_package_and_version_is_left_to_pip(line):
    assert added(line, "azureml-mlflow") == []
    assert added(line) == ["mlflow==3.10.0", PLUGIN]
