"""Jobs that tests take from status to status: nothing is slept for."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = requests.Response
COURSE = ["Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "Completed"]
SECONDS = 60.0


@pytest.fixture
def admin(workspace: Any) -> Callable[..., Answer]:
    """Ask the administration about the test's workspace."""
    where = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"

    def send(method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return requests.request(
            method,
            f"{workspace.endpoint.address}/_emulator/workspaces/{where}/{path}",
            json=body,
            headers={"X-Emulator-Secret": workspace.endpoint.client_secret, **headers},
            timeout=SECONDS,
        )

    return send


@pytest.fixture
def held(admin: Callable[..., Answer]) -> Iterator[Callable[..., Answer]]:
    """Hold every job of the workspace until it is advanced."""
    assert admin("PUT", "pace", {"held": True}).json()["held"] is True
    yield admin
    admin("PUT", "pace", {"held": False})


def advanced(admin: Callable[..., Answer], job: str, **body: Any) -> str:
    answer = admin("POST", f"jobs/{job}/advance", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def test_a_held_job_takes_one_step_at_a_time(held: Any, jobs: Any, ask: Any, history: str) -> None:
    submitted = jobs.submit("stepped", "true")
    assert submitted.json()["properties"]["status"] == "Starting"

    seen = [submitted.json()["properties"]["status"]]
    while seen[-1] != "Completed":
        seen.append(advanced(held, "stepped"))
        assert jobs.get("stepped")["status"] == seen[-1]
        assert ask("GET", f"{history}/runs/stepped/details").json()["status"] == seen[-1]

    assert seen == COURSE
    assert advanced(held, "stepped") == "Completed"


def test_a_held_job_goes_as_far_as_it_is_told_and_stays_there_when_its_command_has_ended(
    held: Any, jobs: Any
) -> None:
    jobs.submit("far", "exit 3")

    assert advanced(held, "far", to="Running") == "Running"
    assert advanced(held, "far", to="Queued") == "Running"
    assert jobs.get("far")["status"] == "Running"
    assert advanced(held, "far", to="Finalizing") == "Finalizing"
    assert jobs.get("far")["status"] == "Finalizing"
    assert advanced(held, "far", to="Completed") == "Failed"


def test_a_job_that_cannot_get_on_says_what_it_waits_for(held: Any, jobs: Any, ask: Any) -> None:
    cluster = {
        "computeType": "AmlCompute",
        "properties": {"scaleSettings": {"maxNodeCount": 1}},
    }
    ask("PUT", "/computes/small", {"properties": cluster}).raise_for_status()
    small = jobs.compute.replace("cpu-cluster", "small")
    jobs.submit("first", "sleep 1000", computeId=small)
    jobs.submit("second", "true", computeId=small)
    assert advanced(held, "first", to="Running") == "Running"
    assert advanced(held, "second", to="Queued") == "Queued"

    ended = held("POST", "jobs/first/advance", {"to": "Completed", "seconds": 0.05})
    queued = held("POST", "jobs/second/advance", {"to": "Running", "seconds": 0.05})

    assert (ended.status_code, queued.status_code) == (409, 409)
    assert ended.json()["error"]["message"] == (
        "The job first did not come to Completed within 0.05 seconds. "
        "Running: its command has not ended."
    )
    assert "Queued: it needs 1 of the 1 nodes of its compute" in queued.json()["error"]["message"]
    ask("POST", "/jobs/first/cancel").raise_for_status()
    assert advanced(held, "first", to="Canceled") == "Canceled"
    assert advanced(held, "second", to="Running") == "Running"
    assert advanced(held, "second", to="Completed") == "Completed"


def test_a_held_job_stays_at_cancel_requested_until_it_is_advanced(
    held: Any, jobs: Any, ask: Any, history: str
) -> None:
    jobs.submit("unwanted", "sleep 1000")
    advanced(held, "unwanted", to="Running")

    operation = ask("POST", "/jobs/unwanted/cancel").headers["Location"]

    assert jobs.get("unwanted")["status"] == "CancelRequested"
    assert ask("GET", operation).status_code == 202
    assert ask("GET", f"{history}/runs/unwanted/details").json()["status"] == "CancelRequested"
    assert advanced(held, "unwanted") == "Canceled"
    assert ask("GET", operation).status_code == 200


@pytest.mark.parametrize("status", ["NotResponding", "Paused", "Unknown"])
def test_a_job_can_be_shown_at_a_rare_status_and_at_its_own_again(
    held: Any, jobs: Any, ask: Any, history: str, status: str
) -> None:
    jobs.submit("rare", "true")
    advanced(held, "rare", to="Running")

    assert held("PUT", "jobs/rare/status", {"status": status}).json() == {"status": status}

    assert jobs.get("rare")["status"] == status
    assert ask("GET", f"{history}/runs/rare/details").json()["status"] == status
    blocked = held("POST", "jobs/rare/advance")
    assert blocked.status_code == 409
    assert f"it is shown as {status} by request" in blocked.json()["error"]["message"]
    assert held("PUT", "jobs/rare/status", {"status": "Queued"}).status_code == 409
    assert held("PUT", "jobs/rare/status", {"status": "Running"}).json() == {"status": "Running"}
    assert jobs.get("rare")["status"] == "Running"
    assert advanced(held, "rare", to="Completed") == "Completed"
    assert held("PUT", "jobs/rare/status", {"status": status}).status_code == 409


def test_a_job_that_is_shown_as_paused_can_be_canceled(admin: Any, jobs: Any, ask: Any) -> None:
    jobs.submit("shown", "sleep 1000")
    assert advanced(admin, "shown", to="Running") == "Running"
    assert admin("PUT", "jobs/shown/status", {"status": "Paused"}).status_code == 200

    ask("POST", "/jobs/shown/cancel").raise_for_status()

    assert jobs.wait("shown")["status"] == "Canceled"


def test_an_unheld_workspace_lets_all_its_jobs_go_on(admin: Any, jobs: Any) -> None:
    admin("PUT", "pace", {"held": True}).raise_for_status()
    jobs.submit("free", "true")
    assert advanced(admin, "free", to="Preparing") == "Preparing"

    admin("PUT", "pace", {"held": False}).raise_for_status()

    assert jobs.wait("free")["status"] == "Completed"


def test_an_advance_that_waits_is_answered_when_the_job_is_there(
    held: Any, jobs: Any, tmp_path: Any
) -> None:
    jobs.submit("slow", f"until [ -e {tmp_path}/go ]; do sleep 0.02; done")
    advanced(held, "slow", to="Running")
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(advanced(held, "slow")))
    waiting.start()

    (tmp_path / "go").touch()
    waiting.join(SECONDS)

    assert answers == ["Finalizing"]
    assert advanced(held, "slow") == "Completed"


def test_the_dwell_times_of_a_workspace_can_be_set_by_status(admin: Any, jobs: Any) -> None:
    changed = admin("PUT", "pace", {"dwell_seconds": {"Queued": 1e300, "Running": 0.01}})
    assert changed.json() == {
        "held": False,
        "dwell_seconds": 0.0,
        "dwell_seconds_of": {"Queued": 1e300, "Running": 0.01},
    }
    assert admin("GET", "pace").json() == changed.json()
    jobs.submit("dwelling", "true")
    assert advanced(admin, "dwelling", to="Queued") == "Queued"
    stuck = admin("POST", "jobs/dwelling/advance", {"to": "Running", "seconds": 0.1})
    assert stuck.status_code == 409

    admin("PUT", "pace", {"dwell_seconds": 0}).raise_for_status()

    assert jobs.wait("dwelling")["status"] == "Completed"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "expected"),
    [
        ("PUT", "pace", {"hold": True}, 400, "`hold` is not known here; known are dwell_seconds"),
        ("PUT", "pace", {"held": 1}, 400, "`held` has to be true or false."),
        ("PUT", "pace", {"dwell_seconds": -1}, 400, "has to be a number of seconds, 0 or more."),
        ("PUT", "pace", {"dwell_seconds": {"Runing": 1}}, 400, "'Runing'; it has to be one of"),
        ("PUT", "pace", {"dwell_seconds": {"Queued": True}}, 400, "`dwell_seconds.Queued` has"),
        ("PUT", "pace", [], 400, "has to be a JSON object"),
        ("POST", "jobs/none/advance", {}, 404, "Job none not found."),
        ("POST", "jobs/known/advance", {"to": "Paused"}, 400, "`to` is 'Paused'; it has to be one"),
        ("POST", "jobs/known/advance", {"seconds": "1"}, 400, "`seconds` has to be a number"),
        ("PUT", "jobs/none/status", {"status": "Paused"}, 404, "Job none not found."),
        ("PUT", "jobs/known/status", {}, 400, "`status` is None; it has to be one of"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    admin: Any, jobs: Any, method: str, path: str, body: Any, status: int, expected: str
) -> None:
    jobs.run("known", "true")

    answer = admin(method, path, body)

    assert answer.status_code == status
    assert expected in answer.json()["error"]["message"]


def test_only_who_knows_the_secret_may_step_jobs(admin: Any) -> None:
    assert admin("PUT", "pace", {"held": True}, **{"X-Emulator-Secret": "no"}).status_code == 401


def test_the_example_of_the_documentation_steps_a_job(
    held: Any, jobs: Any, workspace: Any, emulator_root: Any
) -> None:
    page = Path(__file__).parents[3] / "docs" / "emulator-jobs.md"
    (example,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    workspace_of_the_example = "00000000-0000-0000-0000-000000000000/emulator/emulator"
    assert workspace_of_the_example in example
    mine = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"
    jobs.submit("my-job", "true")

    exec(compile(example.replace(workspace_of_the_example, mine), str(page), "exec"), {})

    assert jobs.get("my-job")["status"] == "Completed"
