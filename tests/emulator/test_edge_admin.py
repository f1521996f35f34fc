"""The emulator's own administration, browsers that are let in, and requests nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from azure.identity import DefaultAzureCredential

from mlflow_azureml_backend.emulator.request_body import LARGEST

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.endpoint import Endpoint

STATUS = "/_emulator/status"


@pytest.fixture
def secret(emulator: Endpoint) -> dict[str, str]:
    return {"X-Emulator-Secret": emulator.client_secret}


@pytest.fixture
def management(signed_in: Endpoint) -> dict[str, str]:
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    return {"Authorization": f"Bearer {token}"}


def link(emulator: Endpoint, secret: dict[str, str], to: str) -> requests.Response:
    url = f"{emulator.address}/_emulator/browser-link"
    return requests.post(url, params={"to": to}, headers=secret, timeout=10)


def test_anybody_on_the_machine_may_ask_for_health_and_learns_no_secret(
    emulator: Endpoint,
) -> None:
    answer = requests.get(f"{emulator.address}/_emulator/health", timeout=10)
    assert answer.json()["pid"] == emulator.pid
    assert emulator.client_secret not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", STATUS),
        ("POST", "/_emulator/stop"),
        ("PUT", "/_emulator/workspaces/s/g/w"),
        ("POST", "/_emulator/browser-link"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"X-Emulator-Secret": "wrong"}])
def test_only_who_knows_the_secret_may_administer(
    emulator: Endpoint, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = requests.request(method, f"{emulator.address}{path}", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert "X-Emulator-Secret" in answer.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["data", "json"])
def test_the_secret_gets_a_token_for_administration(emulator: Endpoint, kind: str) -> None:
    url = f"{emulator.address}/_emulator/token"
    form = {"client_secret": emulator.client_secret}
    token = requests.post(url, **{kind: form}, timeout=10).json()["token"]
    answer = requests.get(
        f"{emulator.address}{STATUS}", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert answer.json()["running_jobs"] == 0
    assert requests.post(url, **{kind: {"client_secret": "no"}}, timeout=10).status_code == 401


def test_a_token_for_azure_does_not_administer_the_emulator(
    emulator: Endpoint, management: dict[str, str]
) -> None:
    answer = requests.get(f"{emulator.address}{STATUS}", headers=management, timeout=10)
    assert answer.status_code == 401


def test_a_workspace_is_created_once_and_known_to_management(
    emulator: Endpoint, secret: dict[str, str], workspace, management: dict[str, str]
) -> None:
    path = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"
    url = f"{emulator.address}/_emulator/workspaces/{path.upper()}"
    assert requests.put(url, headers=secret, timeout=10).status_code == 200
    known = requests.get(
        f"https://management.azure.com{workspace.arm_id}?api-version=2024-04-01",
        headers=management,
        timeout=10,
    )
    assert known.json()["name"] == workspace.workspace_name
    unknown = requests.get(
        f"https://management.azure.com{workspace.arm_id}x?api-version=2024-04-01",
        headers=management,
        timeout=10,
    )
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "ResourceNotFound"
    assert unknown.headers["x-ms-failure-cause"] == "gateway"


def test_a_link_lets_one_browser_in_once(emulator: Endpoint, secret: dict[str, str]) -> None:
    made = link(emulator, secret, "/runs/none?wsid=x")
    url = made.json()["url"]
    browser = requests.Session()
    entered = browser.get(url, allow_redirects=False, timeout=10)
    assert entered.status_code == 303
    assert entered.headers["Location"] == "/runs/none?wsid=x"
    assert "httponly" in entered.headers["Set-Cookie"].lower()
    assert "samesite=lax" in entered.headers["Set-Cookie"].lower()
    html = {"Accept": "text/html"}
    again = requests.get(url, headers=html, allow_redirects=False, timeout=10)
    assert again.status_code == 401
    assert "<code>mlflow-azureml emulator open</code>" in again.text


def test_a_browser_that_was_let_in_may_not_administer(
    emulator: Endpoint, secret: dict[str, str]
) -> None:
    browser = requests.Session()
    browser.get(link(emulator, secret, "/").json()["url"], allow_redirects=False, timeout=10)
    assert browser.get(f"{emulator.address}{STATUS}", timeout=10).status_code == 403
    stop = f"{emulator.address}/_emulator/stop"
    elsewhere = {"Origin": "http://127.0.0.1:1"}
    assert browser.post(stop, headers=elsewhere, timeout=10).status_code == 401
    own = {"Origin": emulator.address}
    assert browser.post(stop, headers=own, timeout=10).status_code == 403


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_a_link_leads_nowhere_else(emulator: Endpoint, secret: dict[str, str], target: str) -> None:
    assert link(emulator, secret, target).status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com/subscriptions/s/nothing?sig=hidden",
        "https://eastus.api.azureml.ms/nothing?sig=hidden",
        "https://vault.vault.azure.net/secrets/nothing?sig=hidden",
        "https://login.microsoftonline.com/nothing?sig=hidden",
    ],
)
def test_what_the_emulator_does_not_answer_is_said_with_method_and_path(
    signed_in: Endpoint, url: str
) -> None:
    answer = requests.delete(url, timeout=10)
    assert answer.status_code == 501
    error = answer.json()["error"]
    assert error["code"] == "NotImplemented"
    assert f"DELETE https://{urlsplit(url).hostname}{urlsplit(url).path}" in error["message"]
    assert "hidden" not in answer.text


def test_paths_match_in_any_case_as_management_s_do(workspace, management: dict[str, str]) -> None:
    url = f"https://management.azure.com{workspace.arm_id}?api-version=2024-04-01"
    odd = url.replace("resourceGroups", "RESOURCEGROUPS").replace("workspaces", "Workspaces")
    assert requests.get(odd, headers=management, timeout=10).status_code == 200


def test_a_body_that_is_too_large_is_refused(workspace, management: dict[str, str]) -> None:
    def body():
        piece = b" " * (1 << 20)
        for _ in range((LARGEST >> 20) + 1):
            yield piece

    answer = requests.put(
        f"https://management.azure.com{workspace.arm_id}/codes/c/versions/1?api-version=2024-04-01",
        data=body(),
        headers=management,
        timeout=60,
    )
    assert answer.status_code == 413


def test_a_body_that_is_no_json_object_is_refused(workspace, management: dict[str, str]) -> None:
    answer = requests.put(
        f"https://management.azure.com{workspace.arm_id}/codes/c/versions/1?api-version=2024-04-01",
        data="[1]",
        headers=management,
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "UserError"
    assert answer.headers["x-ms-response-type"] == "error"
