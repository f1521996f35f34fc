"""What is said before anything is created, and what goes with the job."""

from pathlib import Path

import mlflow
import pytest

from mlflow_azureml_backend.errors import ConfigError, TrackingError
from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec, WorkspaceRef
from mlflow_azureml_backend.tracking import choose_tracking, experiment_name, tied_to_run
from mlflow_azureml_backend.tracking.plugin_here import fitting_release

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
OWN = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{WORKSPACE.arm_id}"


def job(**changes):
    return JobSpec(
        **{
            "command": "true",
            "code": Path(),
            "environment": EnvironmentSpec(origin="o"),
            "compute": None,
            "experiment_name": "e",
            **changes,
        }
    )


def chosen(spec, uri, wanted="auto", *, owns_process=False):
    return choose_tracking(
        wanted, spec, tracking_uri=uri, workspace=WORKSPACE, owns_process=owns_process
    )


def test_an_experiment_of_databricks_gets_a_name_of_azure_and_a_note():
    _, spec = chosen(job(experiment_name="/Users/me@example.com/e"), "sqlite:///x")
    _, same = chosen(job(experiment_name="any / name"), OWN)

    assert spec.experiment_name == "Users-me-example.com-e"
    assert "the job's experiment is 'Users-me-example.com-e'" in spec.notes[-1]
    assert same.experiment_name == "any / name"


def test_a_program_is_told_how_to_move_to_the_workspace_itself():
    with pytest.raises(ConfigError, match=r"mlflow\.set_tracking_uri\('azureml://"):
        chosen(job(), "sqlite:///x", "workspace")


def test_the_job_names_the_run_and_no_path_of_this_machine():
    choice, spec = chosen(job(), "sqlite:////home/me/mlflow.db")
    tied = tied_to_run(
        spec, choice, tracking_uri="sqlite:////home/me/mlflow.db", run_id="r", experiment_id="1"
    )
    server = "https://me:pw@10.0.0.4"
    choice, spec = chosen(job(), server, "mirror")
    served = tied_to_run(spec, choice, tracking_uri=server, run_id="r", experiment_id="1")

    assert dict(tied.properties) == {"mlflow_run_id": "r"}
    assert served.properties["mlflow_tracking_uri"] == "https://10.0.0.4"
    assert tied.command == served.command == "true"


def test_without_azureml_mlflow_the_message_names_the_release_that_fits(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.path", [str(tmp_path)])  # where no distribution is installed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", OWN)
    mlflow.set_tracking_uri(OWN)
    try:
        with pytest.raises(TrackingError, match="azureml-mlflow, which is not installed here"):
            experiment_name("0")
    finally:
        mlflow.set_tracking_uri(None)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2.9.2", "pip install 'azureml-mlflow==1.62"),
        ("3.15.0", "pip install 'azureml-mlflow==1.62"),
        ("99.0.0", "No release is made for MLflow 99.0.0"),
    ],
)
def test_the_release_fits_the_mlflow_of_this_machine(version, told):
    assert told in fitting_release(version, "3.11")
