"""Jobs and their run history, asked over the wire."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., requests.Response]

FOREVER = "sleep 1000"


def mlflow_run(ask: Ask, workspace: Any, run_id: str) -> dict[str, Any]:
    server = f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace.arm_id}/api/2.0/mlflow"
    return dict(ask("GET", f"{server}/runs/get?run_id={run_id}").json()["run"])


def job_names(answer: requests.Response) -> list[str]:
    assert answer.ok, answer.text
    return [each["name"] for each in answer.json()["value"]]


def test_the_service_fills_in_what_a_client_leaves_out(jobs: Any, workspace: Any) -> None:
    answer = jobs.submit(
        "mine",
        inputs={
            "n": {"jobInputType": "literal", "value": "5"},
            "d": {"jobInputType": "uri_file", "uri": "https://example.com/a.csv"},
        },
        outputs={"model": {"jobOutputType": "uri_folder"}},
        tags={"empty": None},
        distribution={"distributionType": "PyTorch"},
    )

    assert answer.status_code == 201
    assert answer.headers["Location"].startswith(
        f"https://management.azure.com{workspace.arm_id}/jobs/mine?api-version="
    )
    job = answer.json()["properties"]
    assert job["status"] == "Starting"
    assert (job["displayName"], job["experimentName"]) == ("mine", "Default")
    assert job["inputs"]["d"]["mode"] == "ReadOnlyMount"
    assert "mode" not in job["inputs"]["n"]
    assert job["outputs"]["model"]["uri"] is None
    assert job["outputs"]["default"]["uri"] == (
        "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.mine"
    )
    assert (job["resources"]["instanceCount"], job["resources"]["shmSize"]) == (1, "2g")
    assert job["distribution"]["processCountPerInstance"] is None
    assert job["tags"] == {"empty": None}
    studio = job["services"]["Studio"]["endpoint"]
    assert studio == f"{workspace.endpoint.address}/runs/mine?wsid={workspace.arm_id}"


def test_a_job_submitted_twice_at_once_runs_once(jobs: Any, tmp_path: Any) -> None:
    answers: list[int] = []
    once = f"echo ran >> {tmp_path}/ran"

    def submit() -> None:
        answers.append(jobs.submit("mine", once).status_code)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200, 200, 200, 201]
    assert jobs.wait("mine")["status"] == "Completed"
    assert jobs.submit("mine", once).status_code == 200
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_putting_a_job_again_describes_it_and_changes_nothing_else(jobs: Any) -> None:
    jobs.run("mine", properties={"kept": "1"}, tags={"old": "1"})

    answer = jobs.submit(
        "mine", "false", properties={"kept": "2", "added": "3"}, tags={"new": "1"}, displayName="x"
    )

    job = answer.json()["properties"]
    assert (job["command"], job["displayName"], job["status"]) == ("true", "x", "Completed")
    assert (job["properties"]["kept"], job["properties"]["added"]) == ("1", "3")
    assert job["tags"]["new"] == "1"
    assert "old" not in job["tags"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"jobType": "AutoML"}, 400),
        ({"jobType": "Sweep"}, 400),
        ({"command": " "}, 400),
        ({"environmentId": None}, 400),
        ({"inputs": []}, 400),
        ({"outputs": {"o": "text"}}, 400),
        ({"codeId": 5}, 400),
        ({"resources": {"properties": {"IsLocal": {"IsLocal": True}}}}, 400),
        ({"environmentId": "azureml:nothing:1"}, 404),
        ({"environmentId": "azureml://registries/azureml/environments/x/versions/1"}, 400),
        ({"environmentId": "azureml:plain@oldest"}, 404),
        ({"codeId": "azureml:nothing:1"}, 404),
    ],
)
def test_a_job_that_cannot_run_is_refused_and_not_kept(
    jobs: Any, ask: Ask, wrong: Any, status: int
) -> None:
    answer = jobs.submit("mine", **wrong)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "UserError"
    assert ask("GET", "/jobs/mine").status_code == 404


@pytest.mark.parametrize("where", ["", "x"])
def test_a_job_on_an_unknown_compute_is_a_404_without_a_body(jobs: Any, where: str) -> None:
    compute = jobs.compute.replace("/computes/", f"{where}/computes/") + "-2"

    answer = jobs.submit("mine", computeId=compute)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("reference", ["azureml:plain:1", "azureml:plain@latest", "whole", "bare"])
def test_an_environment_may_be_named_in_every_form_and_comes_back_as_it_was_sent(
    jobs: Any, reference: str
) -> None:
    named = {"whole": jobs.environment, "bare": jobs.environment.removesuffix("/versions/1")}
    environment = named.get(reference, reference)

    job = jobs.run("mine", environmentId=environment)

    assert (job["status"], job["environmentId"]) == ("Completed", environment)


@pytest.mark.parametrize("name", ["-begins-with-a-dash", "has space", "a" * 256])
def test_a_name_that_is_none_is_refused(jobs: Any, name: str) -> None:
    assert jobs.submit(name).status_code == 400


def test_jobs_are_listed_newest_first_and_by_what_they_are(jobs: Any, ask: Ask) -> None:
    jobs.submit("first", tags={"team": "a"})
    jobs.submit("second", tags={"team": "b"}, properties={"kind": "x"})
    jobs.submit("third", isArchived=True)

    assert job_names(ask("GET", "/jobs")) == ["second", "first"]
    assert job_names(ask("GET", "/jobs?listViewType=All")) == ["third", "second", "first"]
    assert job_names(ask("GET", "/jobs?tag=team")) == ["second", "first"]
    assert job_names(ask("GET", "/jobs?tag=team=a")) == ["first"]
    assert job_names(ask("GET", "/jobs?properties=kind=x")) == ["second"]
    assert job_names(ask("GET", "/jobs?jobType=Sweep")) == []


def test_a_long_list_comes_in_pages_to_which_new_resources_do_no_harm(ask: Ask) -> None:
    for number in range(60):
        store = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c"}
        ask("PUT", f"/datastores/store{number:02}", {"properties": store})

    answer = ask("GET", "/datastores?count=25")
    listed = job_names(answer)
    while (link := answer.json().get("nextLink")) is not None:
        ask("PUT", f"/datastores/late{len(listed)}", {"properties": store})
        answer = ask("GET", link)
        listed += job_names(answer)

    assert len(listed) == len(set(listed)) == 62
    assert ask("GET", "/datastores?$skip=nonsense").status_code == 400


def test_a_running_job_is_canceled_and_only_then_can_be_deleted(jobs: Any, ask: Ask) -> None:
    jobs.submit("mine", FOREVER)
    assert ask("DELETE", "/jobs/mine").status_code == 400

    assert ask("POST", "/jobs/mine/cancel").status_code == 202
    assert jobs.wait("mine")["status"] == "Canceled"
    again = ask("POST", "/jobs/mine/cancel")
    assert again.status_code == 400
    assert again.json()["error"]["message"] == (
        "The pipeline run mine is in terminal status, it can't be canceled."
    )

    deleted = ask("DELETE", "/jobs/mine")
    assert deleted.status_code == 202
    assert ask("GET", deleted.headers["Location"]).status_code == 200
    assert ask("GET", "/jobs/mine").status_code == 404
    assert ask("DELETE", "/jobs/mine").status_code == 204


def test_run_history_leads_to_the_logs_and_to_what_went_wrong(
    jobs: Any, ask: Ask, history: str, workspace: Any
) -> None:
    job = jobs.run("mine", "echo hello; echo oh no >&2; exit 3")

    details = ask("GET", f"{history}/runs/mine/details").json()
    url = details["logFiles"]["user_logs/std_log.txt"]
    log = requests.get(
        url,
        proxies={"https": workspace.endpoint.proxy},
        verify=workspace.endpoint.ca_file,
        timeout=60,
    )

    assert (job["status"], details["status"]) == ("Failed", "Failed")
    assert "error" not in job
    assert "exited with status code 3" in details["error"]["error"]["message"]
    assert details["error"]["error"]["code"] == "UserError"
    assert log.text == "hello\noh no\n"
    assert "sp=r&" in url


def test_the_three_addresses_of_a_run_answer_the_same(jobs: Any, ask: Ask, history: str) -> None:
    jobs.run("mine", experimentName="trials")

    answers = [
        ask("GET", f"{history}{experiment}/runs/mine").json()
        for experiment in ("", "/experiments/trials", "/experimentids/1")
    ]

    assert answers[0]["status"] == "Completed"
    assert answers[0] == answers[1] == answers[2]
    assert ask("GET", f"{history}/runs/mine/children").json() == {"value": []}
    assert ask("GET", f"{history}/runs/mine/serviceinstances/0").json() == {"instances": {}}


def test_the_outputs_of_a_run_are_assets_that_resolve_to_their_places(
    jobs: Any, ask: Ask, history: str, workspace: Any
) -> None:
    jobs.run("mine", "echo 1 > ${{outputs.o}}/f", outputs={"o": {"jobOutputType": "uri_folder"}})

    outputs = ask("POST", f"{history}/rundata", {"runId": "mine"}).json()["runMetadata"]["outputs"]
    asset = outputs["o"]["assetId"]
    values = ask(
        "POST",
        f"https://eastus.api.azureml.ms/data/v1.0{workspace.arm_id}"
        "/dataversion/batchGetResolvedUris",
        {"values": [asset, "azureml://locations/eastus/workspaces/x/data/y/versions/1"]},
    ).json()["values"]

    assert asset.endswith("/data/azureml_mine_output_data_o/versions/1")
    assert outputs["o"]["type"] == "UriFolder"
    assert list(values) == [asset]
    assert values[asset]["uri"].endswith("/datastores/workspaceblobstore/paths/azureml/mine/o/")


def test_a_run_is_described_by_parts(jobs: Any, ask: Ask, history: str, workspace: Any) -> None:
    jobs.run("mine", tags={"kept": "1", "gone": "1"}, properties={"p": "1"})

    changed = {"displayName": "said anew", "tags": {"new": "2"}, "properties": {"q": "2"}}
    ask("PATCH", f"{history}/experiments/Default/runs/mine", changed).raise_for_status()
    ask("DELETE", f"{history}/runs/mine/tags", ["gone"]).raise_for_status()

    job = jobs.get("mine")
    assert job["displayName"] == "said anew"
    assert {name: job["tags"].get(name) for name in ("kept", "gone", "new")} == {
        "kept": "1",
        "gone": None,
        "new": "2",
    }
    assert (job["properties"]["p"], job["properties"]["q"]) == ("1", "2")
    assert mlflow_run(ask, workspace, "mine")["info"]["run_name"] == "said anew"
    ask("PATCH", f"{history}/runs/mine", {"hidden": True}).raise_for_status()
    assert jobs.get("mine")["isArchived"] is True


def test_an_unknown_run_is_refused_in_the_envelope_of_the_regional_services(
    ask: Ask, history: str
) -> None:
    answer = ask("GET", f"{history}/runs/nothing/details")

    assert answer.status_code == 404
    assert answer.json()["error"]["innerError"]["code"] == "NotFoundError"
    assert answer.json()["componentName"] == "run-history"


def test_a_job_gets_a_new_token_by_the_one_it_has(jobs: Any, ask: Ask, history: str) -> None:
    jobs.run("mine")

    answer = ask("GET", f"{history}/experimentids/1/runs/mine/token").json()

    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert claims["runId"] == "mine"
    assert answer["expiryTimeUtc"].endswith("+00:00")
    assert ask("GET", f"{history}/experimentids/1/runs/nothing/token").status_code == 404


def test_a_job_is_a_run_of_mlflow_with_its_name_tags_and_end(
    jobs: Any, ask: Ask, workspace: Any
) -> None:
    jobs.run(
        "mine",
        experimentName="trials",
        displayName="shown",
        tags={"team": "a"},
        properties={"mlflow.source.git.commit": "abc", "other": "x"},
    )

    run = mlflow_run(ask, workspace, "mine")

    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert (run["info"]["run_name"], run["info"]["status"]) == ("shown", "FINISHED")
    assert (tags["team"], tags["mlflow.source.git.commit"]) == ("a", "abc")
    assert "other" not in tags


def test_outputs_that_name_an_asset_are_registered_when_the_job_completes(
    jobs: Any, ask: Ask, history: str
) -> None:
    folder = {"jobOutputType": "uri_folder", "assetName": "table"}
    model = {"jobOutputType": "mlflow_model", "assetName": "forest", "assetVersion": "7"}
    command = "echo 1 > ${{outputs.folder}}/f; echo 2 > ${{outputs.model}}/MLmodel"

    for number in ("1", "2"):
        outputs = {"folder": folder, "model": model} if number == "1" else {"folder": folder}
        job = jobs.run(f"job{number}", command.partition(";")[0], outputs=outputs)
        assert job["status"] == "Completed"
        assert job["outputs"]["folder"]["assetVersion"] == number
    failed = jobs.run("job3", "false", outputs={"folder": folder})

    uri = ask("GET", "/data/table/versions/2").json()["properties"]["dataUri"]
    assert uri.endswith("/datastores/workspaceblobstore/paths/azureml/job2/folder/")
    registered = ask("GET", "/models/forest/versions/7").json()["properties"]
    assert (registered["modelType"], registered["jobName"]) == ("mlflow_model", "job1")
    named = ask("GET", f"{history}/runs/job1").json()["outputs"]
    assert named["model"]["assetId"].endswith("/models/forest/versions/7")
    assert failed["status"] == "Failed"
    assert ask("GET", "/data/table").json()["properties"]["latestVersion"] == "2"


def test_an_output_cannot_take_the_place_of_another_asset(
    jobs: Any, ask: Ask, history: str
) -> None:
    taken = {"dataType": "uri_folder", "dataUri": "https://example.com/data"}
    ask("PUT", "/data/table/versions/1", {"properties": taken}).raise_for_status()
    output = {"jobOutputType": "uri_folder", "assetName": "table", "assetVersion": "1"}

    job = jobs.run("mine", outputs={"o": output})

    error = ask("GET", f"{history}/runs/mine").json()["error"]["error"]
    assert job["status"] == "Failed"
    assert "Asset paths cannot be updated." in error["message"]
