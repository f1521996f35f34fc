"""Workspaces, datastores, computes and assets, asked over the wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., requests.Response]

IMAGE = "mcr.microsoft.com/azureml/base"
CLUSTER = {
    "computeType": "AmlCompute",
    "properties": {
        "vmSize": "Standard_DS2_v2",
        "scaleSettings": {"maxNodeCount": 2},
        "userAccountCredentials": {"adminUserName": "a", "adminUserPassword": "secret"},
    },
}
STORE = {
    "datastoreType": "AzureBlob",
    "accountName": "elsewhere",
    "containerName": "container",
    "credentials": {
        "credentialsType": "AccountKey",
        "secrets": {"secretsType": "AccountKey", "key": "c2VjcmV0"},
    },
}


def put(ask: Ask, path: str, **properties: Any) -> requests.Response:
    return ask("PUT", path, {"properties": properties})


def names(answer: requests.Response) -> list[str]:
    assert answer.ok, answer.text
    return [each["name"] for each in answer.json()["value"]]


def inner_codes(answer: requests.Response) -> list[str]:
    (chain,) = (
        info["info"]["value"]
        for info in answer.json()["error"]["additionalInfo"]
        if info["type"] == "InnerError"
    )
    codes = []
    while chain:
        codes.append(chain["code"])
        chain = chain["innerError"]
    return codes


def test_a_workspace_is_known_under_any_spelling_and_listed_in_its_group(
    ask: Ask, workspace: Any
) -> None:
    url = f"https://management.azure.com{workspace.arm_id.upper()}?api-version=2024-04-01"
    group = workspace.arm_id.rpartition("/")[0]

    found = ask("GET", url).json()
    listed = ask("GET", f"https://management.azure.com{group}?api-version=2024-04-01")

    assert found["id"] == workspace.arm_id
    assert found["properties"]["mlFlowTrackingUri"].endswith(workspace.arm_id)
    assert names(listed) == [workspace.workspace_name]
    discovered = requests.get(
        found["properties"]["discoveryUrl"],
        proxies={"https": workspace.endpoint.proxy},
        verify=workspace.endpoint.ca_file,
        timeout=60,
    )
    assert discovered.json()["api"] == "https://eastus.api.azureml.ms"


def test_an_unknown_workspace_is_refused_by_the_resource_manager_itself(
    ask: Ask, workspace: Any
) -> None:
    answer = ask(
        "GET", f"https://management.azure.com{workspace.arm_id}x/jobs?api-version=2024-04-01"
    )

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"
    assert answer.headers["x-ms-failure-cause"] == "gateway"


def test_workspaces_do_not_see_each_others_resources(ask: Ask, workspace: Any) -> None:
    put(ask, "/environments/mine/versions/1", image=IMAGE)
    other = (
        "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000"
        "/resourceGroups/emulator/providers/Microsoft.MachineLearningServices/workspaces/emulator"
    )

    assert ask("GET", "/environments/mine").ok
    assert ask("GET", f"{other}/environments/mine?api-version=2024-04-01").status_code == 404


def test_a_new_workspace_has_a_cluster_and_two_datastores_one_of_them_the_default(
    ask: Ask,
) -> None:
    assert names(ask("GET", "/computes")) == ["cpu-cluster"]
    assert set(names(ask("GET", "/datastores"))) == {"workspaceblobstore", "workspaceartifactstore"}
    assert names(ask("GET", "/datastores?isDefault=true&count=30")) == ["workspaceblobstore"]


def test_an_unknown_compute_is_a_404_without_a_body(ask: Ask) -> None:
    answer = ask("GET", "/computes/nothing")

    assert (answer.status_code, answer.content) == (404, b"")


def test_a_cluster_is_made_by_an_operation_and_never_shows_its_password(ask: Ask) -> None:
    answer = put(ask, "/computes/mine", **CLUSTER)
    operation = answer.headers["Azure-AsyncOperation"]

    assert answer.json()["properties"]["provisioningState"] == "Creating"
    assert ask("GET", operation).json() == {"status": "InProgress"}
    assert ask("GET", operation).json()["status"] == "Succeeded"
    made = ask("GET", "/computes/mine")
    assert made.json()["properties"]["properties"]["vmSize"] == "STANDARD_DS2_V2"
    assert "secret" not in made.text

    assert ask("DELETE", "/computes/mine").status_code == 202
    assert ask("GET", "/computes/mine").status_code == 404


def test_a_datastore_keeps_its_secrets_for_those_who_ask_for_them(ask: Ask) -> None:
    assert put(ask, "/datastores/mine", **STORE).status_code == 201
    assert put(ask, "/datastores/mine", **STORE).status_code == 200

    assert "c2VjcmV0" not in ask("GET", "/datastores/mine").text
    assert ask("POST", "/datastores/mine/listSecrets", {}).json()["key"] == "c2VjcmV0"
    assert [ask("DELETE", "/datastores/mine").status_code for _ in range(2)] == [200, 204]


def test_clients_get_the_secret_their_api_version_can_use(ask: Ask, workspace: Any) -> None:
    secrets = f"https://management.azure.com{workspace.arm_id}/datastores/workspaceblobstore"
    wanted = {"expirableSecret": True, "expireAfterHours": 1}

    def kind(version: str, body: Any) -> str:
        answer = ask("POST", f"{secrets}/listSecrets?api-version={version}", body)
        return str(answer.json()["secretsType"])

    assert kind("2022-10-01", None) == "AccountKey"
    assert kind("2024-07-01-preview", wanted) == "Sas"
    assert kind("2024-10-01-preview", wanted) == "AccountKey"


def test_a_conda_file_comes_in_as_yaml_and_goes_out_as_json(ask: Ask) -> None:
    conda = "name: x\ndependencies:\n- python=3.10\n- pip:\n  - six\n"

    answer = put(ask, "/environments/mine/versions/1", image=IMAGE, condaFile=conda)

    assert answer.status_code == 201
    assert json.loads(answer.json()["properties"]["condaFile"]) == {
        "name": "x",
        "dependencies": ["python=3.10", {"pip": ["six"]}],
    }


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"image": IMAGE, "condaFile": "- just\n- a list\n"},
        {"image": IMAGE, "condaFile": "{unbalanced"},
    ],
)
def test_an_environment_that_cannot_be_built_is_refused(ask: Ask, properties: Any) -> None:
    answer = put(ask, "/environments/mine/versions/1", **properties)

    assert answer.status_code == 400
    assert inner_codes(answer) == ["BadArgument", "ArgumentInvalid"]


def test_an_environment_version_cannot_change_but_may_be_put_again(ask: Ask) -> None:
    path = "/environments/mine/versions/1"
    put(ask, path, image=IMAGE)

    assert put(ask, path, image=IMAGE, description="said anew").status_code == 201
    assert put(ask, path, image="another").status_code == 409
    assert ask("GET", path).json()["properties"]["image"] == IMAGE


def test_containers_know_their_latest_and_their_next_version(ask: Ask) -> None:
    for version in ("7", "draft"):
        put(ask, f"/environments/mine/versions/{version}", image=IMAGE)

    container = ask("GET", "/environments/mine").json()["properties"]

    assert (container["latestVersion"], container["nextVersion"]) == ("draft", "8")
    latest = ask("GET", "/environments/mine/versions?$orderBy=createdtime%20desc&$top=1")
    assert names(latest) == ["draft"]


def test_archived_assets_are_listed_only_when_they_are_asked_for(ask: Ask) -> None:
    for version, archived in (("1", True), ("2", False)):
        put(ask, f"/environments/mine/versions/{version}", image=IMAGE, isArchived=archived)

    assert names(ask("GET", "/environments/mine/versions")) == ["2"]
    assert names(ask("GET", "/environments/mine/versions?listViewType=ArchivedOnly")) == ["1"]
    assert names(ask("GET", "/environments/mine/versions?listViewType=All")) == ["2", "1"]
    put(ask, "/environments/mine", isArchived=True)
    assert names(ask("GET", "/environments")) == []


def test_short_data_uris_come_back_with_their_workspace(ask: Ask, workspace: Any) -> None:
    short = "azureml://datastores/workspaceblobstore/paths/a.csv"

    made = put(ask, "/data/mine/versions/1", dataType="uri_file", dataUri=short)

    assert made.json()["properties"]["dataUri"] == (
        f"azureml://subscriptions/{workspace.subscription_id}/resourcegroups/tests"
        f"/workspaces/{workspace.workspace_name}/datastores/workspaceblobstore/paths/a.csv"
    )
    elsewhere = put(ask, "/data/mine/versions/1", dataType="uri_file", dataUri="https://b/c")
    assert elsewhere.json()["error"]["message"] == "Asset paths cannot be updated."


@pytest.mark.parametrize(
    ("path", "message", "codes"),
    [
        ("/datastores/x", "Could not find datastore: x.", ["NotFoundError"]),
        (
            "/environments/x",
            "No environment exists for name: x, version: , label: ",
            ["NotFoundError"],
        ),
        (
            "/data/x/versions/2",
            "Data version x:2 (dataContainerName:version) not found.",
            ["NotFoundError"],
        ),
        ("/data/x/versions", "x container was not found.", ["NotFoundError"]),
        ("/jobs/x", "Job x not found.", ["NotFound", "JobNotFound"]),
    ],
)
def test_what_is_missing_is_told_in_the_words_of_the_service(
    ask: Ask, path: str, message: str, codes: list[str]
) -> None:
    answer = ask("GET", path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "UserError"
    assert answer.json()["error"]["message"] == message
    assert inner_codes(answer) == codes


def test_code_is_found_again_by_its_content_whatever_it_is_called(ask: Ask) -> None:
    # azure-ai-ml sends the version of the hash as a number and asks for it as a text.
    content = {"hash_sha256": "abc", "hash_version": 202208}
    put(ask, "/codes/first/versions/1", codeUri="https://a/b", properties=content)

    found = ask("GET", "/codes/second/versions?hash=abc&hashVersion=202208").json()["value"]
    assert [each["id"].split("/")[-3] for each in found] == ["first"]
    assert found[0]["properties"]["properties"]["hash_version"] == "202208"
    assert names(ask("GET", "/codes/second/versions?hash=abd&hashVersion=202208")) == []


def test_resources_can_also_be_asked_for_at_the_regional_host(ask: Ask, workspace: Any) -> None:
    put(ask, "/environments/mine/versions/1", image=IMAGE)
    regional = "https://eastus.api.azureml.ms/mferp/managementfrontend"

    answer = ask("GET", f"{regional}{workspace.arm_id}/environments/mine/versions/1")

    assert answer.json()["properties"]["image"] == IMAGE


@pytest.mark.parametrize("body", [None, [], {"properties": None}, {"properties": "text"}])
def test_a_body_that_is_no_resource_is_refused(ask: Ask, body: Any) -> None:
    assert ask("PUT", "/environments/mine/versions/1", body).status_code == 400


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("/environments/x/versions/1", {"image": 5}),
        ("/environments/x/versions/1", {"image": IMAGE, "build": {"contextUri": []}}),
        ("/environments/x", {"tags": ["a"]}),
        ("/data/x/versions/1", {"dataUri": {"a": 1}}),
        ("/data/x/versions/1", {"dataUri": "https://a/b", "dataType": "table"}),
        ("/models/x/versions/1", {"modelUri": "https://a/b", "tags": "text"}),
        ("/codes/x/versions/1", {"codeUri": True}),
        ("/datastores/x", {**STORE, "credentials": "text"}),
        ("/datastores/x", {**STORE, "datastoreType": "AzureFile"}),
        ("/computes/x", {"computeType": "AmlCompute", "properties": []}),
        ("/computes/x", {"computeType": "Kubernetes"}),
        ("/jobs/x", {"jobType": "Command", "resources": {"instanceCount": True}}),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_its_name(
    ask: Ask, path: str, properties: dict[str, Any]
) -> None:
    answer = put(ask, path, **properties)

    assert answer.status_code == 400
    assert inner_codes(answer)[:2] == ["BadArgument", "ArgumentInvalid"]
    assert ask("GET", path).status_code == 404
