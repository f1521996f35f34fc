"""The real azureml-mlflow, unmodified, in an environment of its own against the emulator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.plugin_environment import run_in_it

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.endpoint import Endpoint

PROGRAM = Path(__file__).with_name("tracking_client.py")
HOST = "eastus.api.azureml.ms"


def run_program(python: Path, **variables: str) -> dict[str, Any]:
    return dict(json.loads(run_in_it(python, PROGRAM, **variables)))


def check_artifacts(seen: dict[str, Any], run: str) -> None:
    assert seen["root"] == ["notes.txt", "sub folder", "texts", "tree"]
    assert seen["tree"] == ["tree/branch", "tree/leaf.txt"]
    assert seen["downloaded"] == {"branch/big.bin": 1 << 20, "branch/empty.txt": 0, "leaf.txt": 4}
    assert seen["text"] == "one text"
    assert "none.txt" in seen["missing"]
    assert seen["conflict"] == (
        f"UserError: Resource Conflict: ArtifactId ExperimentRun/dcid.{run}/notes.txt "
        "already exists."
    )


def check_models(seen: dict[str, Any], run: str) -> None:
    assert seen["prediction"] == 4.0
    assert seen["version"] == ["1", "yes", run]
    assert seen["registered_prediction"] == 6.0
    assert seen["local_prediction"] == 3.0
    assert seen["by_run"] == "READY"


@pytest.fixture
def tracking_uri(workspace: Any, signed_in: Endpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", workspace.subscription_id)
    monkeypatch.setenv("AZUREML_ARM_RESOURCEGROUP", workspace.resource_group)
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", workspace.workspace_name)
    return f"azureml://{HOST}/mlflow/v1.0{workspace.arm_id}"


@pytest.mark.timeout(900)
def test_azureml_mlflow_tracks_from_a_users_machine(plugin_python: Path, tracking_uri: str) -> None:
    seen = run_program(plugin_python, MLFLOW_TRACKING_URI=tracking_uri)

    run = seen["run"]
    check_artifacts(seen, run["id"])
    check_models(seen, run["id"])
    assert run["status"] == "FINISHED"
    assert run["params"] == {"alpha": "0.5", "text": "a=b; c", "empty": ""}
    assert run["metrics"] == {"loss": 1 / 3, "accuracy": 0.9, "later": 2.0, "queued": 7.0}
    assert run["tags"] == {"team": "tests", "note": "späße"}
    assert seen["history"] == [1.0, 1 / 2, 1 / 3]
    assert (seen["found"], seen["parent"]) == (True, True)
    assert seen["no_run"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.timeout(900)
def test_azureml_mlflow_tracks_from_a_job_and_leaves_its_end_to_the_service(
    plugin_python: Path, tracking_uri: str, workspace: Any
) -> None:
    token = requests.post(
        f"https://login.microsoftonline.com/{os.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": os.environ["AZURE_CLIENT_ID"],
            "client_secret": os.environ["AZURE_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        },
        timeout=60,
    ).json()["access_token"]
    run = requests.post(
        f"https://{HOST}/mlflow/v2.0{workspace.arm_id}/api/2.0/mlflow/runs/create",
        json={"experiment_id": "0", "start_time": 1_700_000_000_000},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    ).json()["run"]["info"]["run_id"]

    seen = run_program(
        plugin_python,
        MLFLOW_TRACKING_URI=tracking_uri,
        MLFLOW_TRACKING_TOKEN=token,
        MLFLOW_RUN_ID=run,
        MLFLOW_EXPERIMENT_ID="0",
        AZUREML_RUN_ID=run,
        AZUREML_RUN_TOKEN=token,
    )

    assert (seen["job_run"], seen["status"]) == (run, "RUNNING")
    check_artifacts(seen, run)
    check_models(seen, run)
