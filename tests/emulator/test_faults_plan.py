"""Which requests are struck: by scope, count, probability and seed."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_azureml_backend.emulator.faults.parsing import parse_fault
from mlflow_azureml_backend.emulator.faults.plan import FaultPlan
from mlflow_azureml_backend.emulator.faults.scope import Asked, chooser, storage_account_of

WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
)
DETAILS = f"/history/v1.0{WORKSPACE}/runs/job/details"
LOG = "/azureml/ExperimentRun/dcid.job/user_logs/std_log.txt"
ACCOUNT = storage_account_of(WORKSPACE)


def request(
    method: str = "GET",
    host: str = "eastus.api.azureml.ms",
    path: str = DETAILS,
    client: str = "azsdk-python-ai-ml/1.30 Python/3.11",
    **facts: bool,
) -> Asked:
    return Asked(
        method=method,
        host=host,
        path=path,
        client=client,
        **{"signed": False, "bearer": True, **facts},
    )


def blob(method: str = "GET", path: str = LOG, account: str = ACCOUNT) -> Asked:
    return request(method, f"{account}.blob.core.windows.net", path, signed=True, bearer=False)


@pytest.mark.parametrize(
    ("fault", "asked", "struck"),
    [
        ({"route": "GET */details"}, request(), True),
        ({"route": "get */DETAILS"}, request(), True),
        ({"route": "*/details"}, request(), True),
        ({"route": "* */details"}, request("PATCH"), True),
        ({"route": "POST */details"}, request(), False),
        ({"route": "GET"}, request(), True),
        ({"route": "GET"}, request("PUT"), False),
        ({"route": "*/runs/{run}/details"}, request(), True),
        ({"route": "*/runs/{run}"}, request(), False),
        ({"route": "*/runs/{rest:path}"}, request(), True),
        ({"route": "/history/*"}, request(), True),
        ({"route": "/details"}, request(), False),
        ({"route": "*.api.azureml.ms/*"}, request(), True),
        ({"route": "management.azure.com/*"}, request(), False),
        ({"route": "*/deta.ls"}, request(), False),
        ({"service": "api"}, request(), True),
        ({"service": "arm"}, request(), False),
        ({"workspace": "S/G/W"}, request(), True),
        ({"workspace": "s/g/other"}, request(), False),
        ({"workspace": "s/g/w"}, request(path=DETAILS.upper()), True),
        ({"workspace": "s/g/w"}, blob(), True),
        ({"workspace": "s/g/w"}, blob(account="em0123456789abcdef"), False),
        ({"client": "AI-ML"}, request(), True),
        ({"client": "python-ai*3.11"}, request(), True),
        ({"client": "mlflow"}, request(), False),
    ],
)
def test_a_fault_is_for_the_requests_of_its_scope(
    fault: dict[str, Any], asked: Asked, struck: bool
) -> None:
    assert chooser(parse_fault({"status": 503, **fault}))(asked) is struck


@pytest.mark.parametrize(
    ("fault", "asked", "struck"),
    [
        ({"expired_token": True}, request(), True),
        ({"expired_token": True}, request(bearer=False), False),
        ({"expired_sas": True}, blob(), True),
        ({"expired_sas": True}, request(signed=True), False),
        ({"log_fragments": 5}, blob(), True),
        ({"log_fragments": 5}, blob("HEAD"), True),
        ({"log_fragments": 5}, blob("PUT"), False),
        ({"log_fragments": 5}, blob(path="/azureml-blobstore/data.csv"), False),
        ({"log_fragments": 5, "route": "*/data.csv"}, blob(path="/c/data.csv"), True),
        ({"lag": 1}, request(), True),
        ({"lag": 1}, request(path=f"{WORKSPACE}/jobs/job"), True),
        ({"lag": 1}, request("PUT", path=f"{WORKSPACE}/jobs/job"), False),
        ({"lag": 1}, request(path=f"{WORKSPACE}/jobs"), False),
        ({"lag": 1}, request(path=f"{WORKSPACE}/computes/cpu-cluster"), False),
        ({"truncate": True}, blob("HEAD"), False),
    ],
)
def test_an_effect_is_only_for_requests_in_which_it_can_be_seen(
    fault: dict[str, Any], asked: Asked, struck: bool
) -> None:
    assert chooser(parse_fault(fault))(asked) is struck


def struck(plan: FaultPlan, times: int) -> list[list[str]]:
    return [[str(each.fault) for each in plan.striking(request())] for _ in range(times)]


def test_so_many_requests_pass_and_then_so_many_are_struck() -> None:
    plan = FaultPlan()
    plan.add([parse_fault({"status": 429, "skip": 2, "count": 3})])
    assert struck(plan, 7) == [[], [], ["status 429"], ["status 429"], ["status 429"], [], []]
    [active] = plan.in_force()
    assert (active.met, active.struck) == (7, 3)


def test_of_faults_that_answer_the_next_begins_when_the_former_is_used_up() -> None:
    plan = FaultPlan()
    plan.add([parse_fault({"status": 429, "count": 2}), parse_fault({"reset": "after"})])
    assert struck(plan, 3) == [["status 429"], ["status 429"], ["reset after"]]


def test_faults_that_only_alter_an_answer_come_together() -> None:
    plan = FaultPlan()
    plan.add([parse_fault({"latency": 1}), parse_fault({"status": 503}), parse_fault({"slow": 9})])
    assert struck(plan, 1) == [["latency 1", "status 503", "slow 9"]]


def test_a_seed_makes_chances_the_same_every_time() -> None:
    def course(seed: int) -> list[list[str]]:
        plan = FaultPlan()
        plan.add([parse_fault({"status": 503, "probability": 0.3, "seed": seed})])
        return struck(plan, 200)

    assert course(1) == course(1) != course(2)
    assert 30 < sum(map(len, course(1))) < 90


def test_a_seed_that_was_not_given_is_told_so_that_it_can_be() -> None:
    plan = FaultPlan()
    [active] = plan.add([parse_fault({"status": 503, "probability": 0.5})])
    seen = struck(plan, 50)
    again = FaultPlan()
    again.add([parse_fault({"status": 503, "probability": 0.5, "seed": active.as_json()["seed"]})])
    assert struck(again, 50) == seen


def test_the_faults_of_one_workspace_are_cleared_without_the_others() -> None:
    plan = FaultPlan()
    mine, _ = plan.add(
        [parse_fault({"status": 503, "workspace": "s/g/w"}), parse_fault({"slow": 1})]
    )
    assert plan.in_force(WORKSPACE.lower()) == (mine,)
    assert plan.clear(WORKSPACE.lower()) == 1
    assert [str(each.fault) for each in plan.in_force()] == ["slow 1"]
    assert plan.clear() == 1
    assert plan.is_empty


def test_a_number_removes_one_fault_once() -> None:
    plan = FaultPlan()
    first, second = plan.add([parse_fault({"slow": 1}), parse_fault({"slow": 2})])
    assert plan.remove(first.number)
    assert not plan.remove(first.number)
    assert plan.in_force() == (second,)
