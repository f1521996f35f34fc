"""What is told of jobs: late, twice or out of order, until the truth is told at last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.pytest_plugin import Faults


@pytest.fixture
def advance(workspace: Any) -> Iterator[Callable[[str, str], str]]:
    """Move a job on, which otherwise stays where it is."""
    names = workspace.subscription_id, workspace.resource_group, workspace.workspace_name
    path = f"/_emulator/workspaces/{'/'.join(names)}"
    request(workspace.endpoint, "PUT", f"{path}/pace", body={"held": True})

    def move(job: str, to: str) -> str:
        answer = request(
            workspace.endpoint, "POST", f"{path}/jobs/{job}/advance", body={"to": to}, seconds=60
        )
        return str(answer["status"])

    yield move
    request(workspace.endpoint, "PUT", f"{path}/pace", body={"held": False})


@pytest.fixture
def statuses(ask: Any, history: str) -> dict[str, Callable[[], str]]:
    """Read the status of the job `job` from either service that tells it."""

    def of_run() -> str:
        return str(ask("GET", f"{history}/runs/job/details").json()["status"])

    def of_job() -> str:
        return str(ask("GET", "/jobs/job").json()["properties"]["status"])

    return {"run": of_run, "job": of_job}


@pytest.mark.parametrize("teller", ["run", "job"])
def test_details_lag_behind_by_so_many_answers(
    jobs: Any, advance: Any, statuses: Any, faults: Faults, teller: str
) -> None:
    jobs.submit("job").raise_for_status()
    faults.add(lag_answers=2)
    told = [statuses[teller]()]
    for status in ("Queued", "Running", "Completed"):
        assert advance("job", status) == status
        told.append(statuses[teller]())
    told += [statuses[teller](), statuses[teller]()]
    assert told[1:] == [told[0], told[0], "Queued", "Running", "Completed"]


def test_details_lag_behind_by_so_many_seconds(
    jobs: Any, advance: Any, statuses: Any, faults: Faults
) -> None:
    jobs.submit("job").raise_for_status()
    advance("job", "Queued")
    faults.add(lag=0.5)
    assert statuses["run"]() == "Queued"
    advance("job", "Completed")
    assert statuses["run"]() == "Queued"
    completed = time.monotonic()
    while statuses["run"]() != "Completed":
        assert time.monotonic() - completed < 30
        time.sleep(0.02)
    assert time.monotonic() - completed > 0.3


@pytest.mark.parametrize("teller", ["run", "job"])
def test_each_status_is_told_twice(
    jobs: Any, advance: Any, statuses: Any, faults: Faults, teller: str
) -> None:
    jobs.submit("job").raise_for_status()
    advance("job", "Queued")
    faults.add(status_order="duplicate")
    told = [statuses[teller]()]
    advance("job", "Running")
    told += [statuses[teller](), statuses[teller]()]
    advance("job", "Completed")
    told += [statuses[teller](), statuses[teller](), statuses[teller]()]
    assert told == ["Queued", "Queued", "Running", "Running", "Completed", "Completed"]


@pytest.mark.parametrize("teller", ["run", "job"])
def test_a_former_status_comes_after_its_successor(
    jobs: Any, advance: Any, statuses: Any, faults: Faults, teller: str
) -> None:
    jobs.submit("job").raise_for_status()
    advance("job", "Queued")
    faults.add(status_order="out_of_order")
    told = [statuses[teller]()]
    advance("job", "Running")
    told += [statuses[teller](), statuses[teller](), statuses[teller]()]
    advance("job", "Completed")
    told += [statuses[teller](), statuses[teller](), statuses[teller]()]
    assert told == [
        "Queued",
        *("Running", "Queued", "Running"),
        *("Completed", "Running", "Completed"),
    ]


def test_what_is_not_found_is_not_told_later(ask: Any, jobs: Any, faults: Faults) -> None:
    faults.add(lag_answers=1)
    assert ask("GET", "/jobs/job").status_code == 404
    jobs.submit("job").raise_for_status()
    assert ask("GET", "/jobs/job").status_code == 200
