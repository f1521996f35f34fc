"""The pages for browsers: a job at its studio link, and the MLflow UI on the same data."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

MANAGEMENT = "https://management.azure.com"
SECONDS = 60.0
NAME = "<script>alert(1)</script>"


class Studio:
    """One workspace with a job, and a browser that was let in."""

    def __init__(self, endpoint: Endpoint, arm_id: str) -> None:
        self.address = endpoint.address
        self.arm_id = arm_id
        _, _, subscription, _, group, _, _, _, name = arm_id.split("/")
        self.ui = f"{self.address}/mlflow/{subscription}/{group}/{name}"
        self.browser = requests.Session()
        link = request(endpoint, "POST", "/_emulator/browser-link?to=/_emulator/health")["url"]
        assert self.browser.get(link, timeout=SECONDS).ok
        self.job = "a_job"
        self.link = submit_job(arm_id, self.job)

    def state(self, **query: str) -> Mapping[str, Any]:
        parameters = {"wsid": self.arm_id, **query}
        url = f"{self.address}/runs/{self.job}/state"
        return dict(self.browser.get(url, params=parameters, timeout=SECONDS).json())

    def state_when(self, holds: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        end = time.monotonic() + SECONDS
        while not holds(state := self.state()):
            assert time.monotonic() < end, state
        return state


def submit_job(arm_id: str, name: str) -> str:
    """Submit a job, and give its studio link."""
    token = requests.post(
        f"https://login.microsoftonline.com/{os.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": os.environ["AZURE_CLIENT_ID"],
            "client_secret": os.environ["AZURE_CLIENT_SECRET"],
            "scope": f"{MANAGEMENT}/.default",
        },
        timeout=SECONDS,
    ).json()["access_token"]

    def put(path: str, properties: Mapping[str, Any]) -> Any:
        answer = requests.put(
            f"{MANAGEMENT}{arm_id}/{path}?api-version=2023-04-01-preview",
            json={"properties": properties},
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
        )
        assert answer.ok, answer.text
        return answer.json()

    environment = put("environments/any/versions/1", {"image": "image:1"})
    job = put(
        f"jobs/{name}",
        {
            "jobType": "Command",
            "displayName": NAME,
            "experimentName": "studio",
            "command": "echo '<b>said</b>'",
            "environmentId": environment["id"],
            "computeId": f"{arm_id}/computes/cpu-cluster",
            "tags": {"team": NAME},
        },
    )
    return str(job["properties"]["services"]["Studio"]["endpoint"])


@pytest.fixture
def studio(workspace: Any, signed_in: Endpoint) -> Iterator[Studio]:
    found = Studio(signed_in, workspace.arm_id)
    yield found
    found.state_when(lambda state: state["terminal"])
    found.browser.close()


def test_the_studio_link_shows_the_job_and_takes_nothing_of_it_for_html(studio: Studio) -> None:
    page = studio.browser.get(studio.link, timeout=SECONDS)

    assert page.ok
    assert NAME not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "command: echo &#x27;&lt;b&gt;said&lt;/b&gt;&#x27;" in page.text
    policy = page.headers["content-security-policy"]
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", policy)
    assert page.text.count(f'nonce="{nonce}"') == page.text.count("<script") + 1
    assert policy.startswith("default-src 'none'")


def test_the_page_follows_the_job_to_its_end_and_shows_its_log(studio: Studio) -> None:
    state = studio.state_when(lambda state: state["terminal"])

    assert (state["status"], state["error"]) == ("Completed", None)
    assert state["log"] == "user_logs/std_log.txt"
    assert "<b>said</b>" in state["text"]
    assert state["tags"]["team"] == NAME
    other = next(log for log in state["logs"] if log != state["log"])
    assert studio.state(log=other)["log"] == other
    assert studio.state(log="../../secrets")["log"] == state["log"]


def test_the_start_page_lists_the_jobs_of_a_workspace(studio: Studio) -> None:
    page = studio.browser.get(studio.address, params={"wsid": studio.arm_id}, timeout=SECONDS)

    assert f'href="/runs/{studio.job}?wsid=' in page.text
    assert NAME not in page.text


def test_a_browser_that_was_not_let_in_is_told_how_to_get_in(studio: Studio) -> None:
    for url in (studio.link, f"{studio.ui}/", f"{studio.address}/"):
        page = requests.get(url, timeout=SECONDS)

        assert page.status_code == 401
        assert "mlflow-azureml emulator open" in page.text


def test_a_job_or_workspace_that_does_not_exist_is_a_page_too(studio: Studio) -> None:
    for path in ("/runs/nobody", "/runs/a_job?wsid=nonsense", "/mlflow/a/b/c/"):
        page = studio.browser.get(f"{studio.address}{path}", timeout=SECONDS)

        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")


def test_the_mlflow_ui_works_below_the_path_of_its_workspace(studio: Studio) -> None:
    index = studio.browser.get(studio.ui, timeout=SECONDS)
    script = re.findall(r'src="(static-files/[^"]+\.js)"', index.text)[0]

    assert index.url == f"{studio.ui}/"
    assert studio.browser.get(f"{index.url}{script}", timeout=SECONDS).ok
    api = f"{index.url}ajax-api/2.0/mlflow"
    run = studio.browser.get(f"{api}/runs/get", params={"run_id": studio.job}, timeout=SECONDS)
    assert run.json()["run"]["info"]["run_name"] == NAME
    page = studio.browser.get(studio.link, timeout=SECONDS).text
    experiment = run.json()["run"]["info"]["experiment_id"]
    path = studio.ui.removeprefix(studio.address)
    assert f'href="{path}/#/experiments/{experiment}/runs/{studio.job}"' in page


def test_the_mlflow_ui_sends_the_artifacts_of_a_job(studio: Studio) -> None:
    studio.state_when(lambda state: state["terminal"])
    file = {"run_id": studio.job, "path": "user_logs/std_log.txt"}

    sent = studio.browser.get(f"{studio.ui}/get-artifact", params=file, timeout=SECONDS)

    assert "<b>said</b>" in sent.text
    assert sent.headers["content-disposition"].startswith("attachment")


def test_only_the_emulators_own_pages_may_change_something(studio: Studio) -> None:
    url = f"{studio.ui}/ajax-api/2.0/mlflow/runs/set-tag"
    tag = {"run_id": studio.job, "key": "note", "value": "seen"}

    answers = [
        studio.browser.post(url, json=tag, headers=headers, timeout=SECONDS).status_code
        for headers in ({"Origin": "http://127.0.0.1:1"}, {}, {"Origin": studio.address})
    ]

    assert answers == [401, 401, 200]
    assert studio.state()["tags"]["note"] == "seen"
