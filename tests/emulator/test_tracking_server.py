"""MLflow and artifacts of the running emulator, asked at production URLs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

SERVICE = "https://eastus.api.azureml.ms"
BODY = b"some bytes \xff\x00"


class Asked:
    """Ask about one workspace, with a token, through the proxy that the environment names."""

    def __init__(self, arm_id: str) -> None:
        self.arm_id = arm_id
        self.mlflow = f"{SERVICE}/mlflow/v2.0{arm_id}"
        self.history = f"{SERVICE}/history/v1.0{arm_id}"
        self.uploads = f"{SERVICE}/artifact/v2.0{arm_id}/artifacts"
        self.token = access_token()

    def ask(self, method: str, url: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, url, headers=headers, timeout=60, **options)

    def track(self, method: str, path: str, **options: Any) -> Any:
        answer = self.ask(method, f"{self.mlflow}/api/2.0/mlflow/{path}", **options)
        assert answer.ok, answer.text
        return answer.json()

    def create_run(self, experiment: str = "0") -> str:
        body = {"experiment_id": experiment, "start_time": 1_700_000_000_000}
        return str(self.track("POST", "runs/create", json=body)["run"]["info"]["run_id"])

    def artifacts(self, run: str, aspect: str = "", **query: str) -> requests.Response:
        url = f"{self.history}/experiments/any/runs/{run}/artifacts{aspect}"
        return self.ask("GET", url, params=query)

    def create_artifacts(self, run: str, *paths: str) -> Mapping[str, Any]:
        url = f"{self.history}/experiments/any/runs/{run}/artifacts/batch/metadata"
        answer = self.ask("POST", url, json={"paths": [{"path": path} for path in paths]})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def log_artifact(self, run: str, path: str, content: bytes = BODY) -> None:
        created = self.create_artifacts(run, path)
        put_blob(created["artifactContentInformation"][path]["contentUri"], content)


def access_token() -> str:
    answer = requests.post(
        f"https://login.microsoftonline.com/{os.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": os.environ["AZURE_CLIENT_ID"],
            "client_secret": os.environ["AZURE_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        },
        timeout=60,
    )
    return str(answer.json()["access_token"])


def put_blob(url: str, content: bytes) -> None:
    headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
    answer = requests.put(url, data=content, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def asked(workspace: Any, signed_in: Endpoint) -> Asked:
    return Asked(workspace.arm_id)


@pytest.fixture
def client(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Make a plain MLflow client, which knows of Azure ML no more than a URL and a token."""
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", asked.token)
    return MlflowClient(tracking_uri=asked.mlflow, registry_uri=asked.mlflow)


def test_a_plain_mlflow_client_with_a_bearer_token_tracks_a_run(client: MlflowClient) -> None:
    experiment = client.create_experiment("plain")
    run = client.create_run(experiment, run_name="first", tags={"team": "tests"})
    client.log_param(run.info.run_id, "alpha", "0.5")
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 3.0 - step, step=step)
    client.set_terminated(run.info.run_id)

    (found,) = client.search_runs([experiment], "params.alpha = '0.5'", order_by=["metrics.loss"])

    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    assert found.data.metrics == {"loss": 1.0}
    assert found.data.tags["team"] == "tests"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [metric.value for metric in history] == [3.0, 2.0, 1.0]


def test_the_registry_keeps_models_versions_tags_and_aliases(client: MlflowClient) -> None:
    client.create_registered_model("model", tags={"kind": "test"})
    version = client.create_model_version("model", "azureml://artifacts/LocalUpload/a/model")
    client.set_registered_model_alias("model", "best", version.version)
    client.set_model_version_tag("model", version.version, "checked", "yes")

    found = client.get_model_version_by_alias("model", "best")

    assert (found.version, found.tags) == ("1", {"checked": "yes"})
    assert client.get_registered_model("model").tags == {"kind": "test"}


def test_a_version_of_a_logged_model_lies_where_the_model_of_its_own_workspace_does(
    client: MlflowClient, asked: Asked
) -> None:
    if not hasattr(client, "create_logged_model"):
        pytest.skip("logged models came with MLflow 3")
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", name="model", source_run_id=run)
    client.create_registered_model("model")
    source = f"models:/{model.model_id}"
    version = client.create_model_version("model", source, model_id=model.model_id)

    at = client.get_model_version_download_uri("model", version.version)

    assert at == model.artifact_location
    assert at.endswith(f"{asked.arm_id}/experiments/0/runs/{model.model_id}/artifacts")
    assert version.run_id == run


def test_the_artifacts_of_an_experiment_lie_in_the_workspace_whatever_the_client_asks_for(
    client: MlflowClient, asked: Asked
) -> None:
    experiment = client.create_experiment("elsewhere", artifact_location="file:///etc")

    run = client.create_run(experiment)

    assert run.info.artifact_uri == (
        f"azureml://eastus.api.azureml.ms/mlflow/v2.0{asked.arm_id}"
        f"/experiments/{experiment}/runs/{run.info.run_id}/artifacts"
    )


def test_workspaces_do_not_see_the_runs_of_one_another(
    client: MlflowClient, asked: Asked, emulator: Endpoint
) -> None:
    run = client.create_run(client.create_experiment("mine")).info.run_id
    other = asked.mlflow.replace(asked.arm_id, default_workspace(emulator))

    answer = asked.ask("GET", f"{other}/api/2.0/mlflow/runs/get", params={"run_id": run})

    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_parameters_that_a_query_repeats_all_reach_mlflow(asked: Asked) -> None:
    runs = [asked.create_run(), asked.create_run()]
    for number, run in enumerate(runs):
        body = {"run_id": run, "key": "loss", "value": number, "timestamp": 1}
        asked.track("POST", "runs/log-metric", json=body)

    url = f"{asked.mlflow}/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    found = asked.ask("GET", url, params={"run_id": runs, "metric_key": "loss"}).json()

    assert {metric["run_id"] for metric in found["metrics"]} == set(runs)


def test_a_request_without_a_token_is_refused(asked: Asked) -> None:
    answer = requests.get(f"{asked.mlflow}/api/2.0/mlflow/experiments/get", timeout=60)

    assert answer.status_code == 401


def test_an_unknown_workspace_has_no_tracking(asked: Asked) -> None:
    answer = asked.ask("GET", f"{asked.mlflow}x/api/2.0/mlflow/experiments/search")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_an_endpoint_that_mlflow_does_not_have_is_an_empty_404(asked: Asked) -> None:
    answer = asked.ask("POST", f"{asked.mlflow}/api/9.0/mlflow/novelties", json={})

    assert (answer.status_code, answer.content) == (404, b"")


def test_a_batch_that_is_queued_is_logged_at_once(asked: Asked) -> None:
    run = asked.create_run()
    url = f"{asked.mlflow}/api/2.0/preview/mlflow/runs"
    body = {"run_id": run, "metrics": [{"key": "loss", "value": 1, "timestamp": 1, "step": 0}]}

    queued = asked.ask("POST", f"{url}/log-batch-async", json=body).json()
    status = asked.ask("GET", f"{url}/get-run-data-status", params={"run_id": run}).json()

    assert (queued, status) == ({"batch_tracking_id": ""}, {"is_complete": True})
    found = asked.track("GET", "runs/get", params={"run_id": run})["run"]["data"]["metrics"]
    assert [(metric["key"], metric["value"]) for metric in found] == [("loss", 1)]


def test_a_batch_that_mlflow_refuses_is_refused(asked: Asked) -> None:
    url = f"{asked.mlflow}/api/2.0/preview/mlflow/runs/log-batch-async"

    answer = asked.ask("POST", url, json={"run_id": "nobody", "metrics": []})

    assert answer.status_code == 404


def test_an_artifact_is_found_and_read_where_it_was_logged(asked: Asked) -> None:
    run = asked.create_run()
    asked.log_artifact(run, "folder/späße 1.bin")

    (listed,) = asked.artifacts(run).json()["value"]
    assert listed["artifactId"] == f"ExperimentRun/dcid.{run}/folder/späße 1.bin"
    assert listed["dataPath"]["dataStoreName"] == "workspaceartifactstore"
    described = asked.artifacts(run, "/metadata", path="folder/späße 1.bin").json()
    assert described == listed
    content = asked.artifacts(run, "/contentinfo", path="folder/späße 1.bin").json()
    assert requests.get(content["contentUri"], timeout=60).content == BODY
    bare = asked.artifacts(run, "/artifacturi", path="folder/späße 1.bin").json()
    assert requests.get(bare, timeout=60).content == BODY


def test_an_artifact_is_created_once(asked: Asked) -> None:
    run = asked.create_run()
    asked.log_artifact(run, "once.txt")

    again = asked.create_artifacts(run, "once.txt", "other.txt")

    assert again["errors"]["once.txt"]["error"]["code"] == "UserError"
    assert again["errors"]["once.txt"]["error"]["message"] == (
        f"Resource Conflict: ArtifactId ExperimentRun/dcid.{run}/once.txt already exists."
    )
    assert set(again["artifactContentInformation"]) == {"other.txt"}


def test_a_folder_means_what_lies_in_it_and_not_what_is_named_alike(asked: Asked) -> None:
    run = asked.create_run()
    for path in ("model/a", "model/b/c", "model2/d"):
        asked.log_artifact(run, path)

    listed = asked.artifacts(run, "/path", path="model/").json()["value"]
    readable = asked.artifacts(run, "/prefix/contentinfo", path="model").json()["value"]

    assert [artifact["path"] for artifact in listed] == ["model/a", "model/b/c"]
    assert [artifact["path"] for artifact in readable] == ["model/a", "model/b/c"]


def test_an_artifact_that_is_missing_is_a_404(asked: Asked) -> None:
    answer = asked.artifacts(asked.create_run(), "/contentinfo", path="none.txt")

    assert answer.status_code == 404
    assert "none.txt" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"paths": "a"}, {"paths": [{"path": ""}]}, {"paths": [1]}])
def test_a_batch_that_names_no_artifacts_is_refused(asked: Asked, body: dict[str, Any]) -> None:
    url = f"{asked.history}/experiments/any/runs/run/artifacts/batch/metadata"

    assert asked.ask("POST", url, json=body).status_code == 400


def test_mlflow_itself_lists_the_artifacts_of_a_run(asked: Asked) -> None:
    run = asked.create_run()
    asked.log_artifact(run, "top.txt")
    asked.log_artifact(run, "folder/below.txt")

    top = asked.track("GET", "artifacts/list", params={"run_id": run})["files"]
    below = asked.track("GET", "artifacts/list", params={"run_id": run, "path": "folder"})["files"]

    assert [(file["path"], file["is_dir"]) for file in top] == [
        ("folder", True),
        ("top.txt", False),
    ]
    assert [(file["path"], file["file_size"]) for file in below] == [
        ("folder/below.txt", len(BODY))
    ]


def test_an_upload_beside_runs_is_stored_once_and_sent_back(asked: Asked) -> None:
    url = f"{asked.uploads}/LocalUpload/folder/content"
    stored = [
        asked.ask("POST", url, params={"path": "a.bin", **query}, data=content)
        for content, query in ((b"1", {}), (b"2", {}), (BODY, {"allowOverwrite": "true"}))
    ]

    assert [answer.status_code for answer in stored] == [200, 409, 200]
    assert asked.ask("GET", url, params={"path": "a.bin"}).content == BODY
    batch = {"paths": [{"path": "b.bin"}]}
    created = asked.ask(
        "POST", f"{asked.uploads}/LocalUpload/folder/batch/metadata", json=batch
    ).json()
    put_blob(created["artifactContentInformation"]["b.bin"]["contentUri"], BODY)
    listed = asked.ask("GET", f"{asked.uploads}/LocalUpload/folder").json()["value"]
    assert [artifact["path"] for artifact in listed] == ["a.bin", "b.bin"]


def test_everybody_may_ask_which_cloud_this_is(signed_in: Endpoint) -> None:
    url = "https://management.azure.com/metadata/endpoints?api-version=2019-05-01"

    (cloud,) = requests.get(url, timeout=60).json()

    assert (cloud["name"], cloud["suffixes"]["storage"]) == ("AzureCloud", "core.windows.net")


def default_workspace(emulator: Endpoint) -> str:
    return (
        f"/subscriptions/{emulator.subscription_id}/resourceGroups/{emulator.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace_name}"
    )
