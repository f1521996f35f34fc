"""Sweeps over the wire: trials that really run, their end, and what clients see of them."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import SECONDS
from tests.emulator.test_control_jobs import job_names, mlflow_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.conftest import Ask, Jobs

# Logs each of its arguments as the next value of the metric `score`, as a trial's client does.
LOG_SCORES = """
import json, os, sys, time, urllib.request
host, _, rest = os.environ["MLFLOW_TRACKING_URI"].removeprefix("azureml://").partition("/mlflow/v1.0")
for step, value in enumerate(sys.argv[1:]):
    point = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "score", "value": float(value),
             "timestamp": int(time.time() * 1000), "step": step}
    urllib.request.urlopen(urllib.request.Request(
        f"https://{host}/mlflow/v2.0{rest}/api/2.0/mlflow/runs/log-metric",
        json.dumps(point).encode(),
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
         "Content-Type": "application/json"}))
"""


class Sweeps:
    """Submit sweeps over the wire, and wait for their end."""

    def __init__(self, jobs: Jobs, folder: Path) -> None:
        self._jobs = jobs
        self._folder = folder
        (folder / "log_scores.py").write_text(LOG_SCORES)
        self.log = f"{sys.executable} -S {folder}/log_scores.py"

    def submit(self, name: str, command: str = "true", **properties: Any) -> Any:
        trial = {"command": command, "environmentId": self._jobs.environment}
        return self._jobs._ask(
            "PUT",
            f"/jobs/{name}",
            {
                "properties": {
                    "jobType": "Sweep",
                    "computeId": self._jobs.compute,
                    "trial": {**trial, **properties.pop("trial", {})},
                    "searchSpace": {"x": ["choice", [[1, 2, 3]]]},
                    "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
                    "objective": {"goal": "maximize", "primaryMetric": "score"},
                    "limits": {
                        "jobLimitsType": "Sweep",
                        "maxConcurrentTrials": 3,
                        **properties.pop("limits", {}),
                    },
                    **properties,
                }
            },
        )

    def run(self, name: str, command: str = "true", **properties: Any) -> dict[str, Any]:
        answer = self.submit(name, command, **properties)
        assert answer.status_code == 201, answer.text
        assert answer.json()["properties"]["status"] == "Running"
        return self._jobs.wait(name)


@pytest.fixture
def sweeps(jobs: Jobs, tmp_path: Path) -> Sweeps:
    return Sweeps(jobs, tmp_path)


def children(ask: Ask, history: str, name: str) -> list[dict[str, Any]]:
    return list(ask("GET", f"{history}/runs/{name}/children").json()["value"])


def test_a_sweep_runs_its_trials_and_names_the_best_one(
    sweeps: Sweeps, jobs: Jobs, ask: Ask, history: str, workspace: Any, tmp_path: Path
) -> None:
    command = (
        f'{sweeps.log} ${{{{search_space.x}}}} && echo "${{{{inputs.n}}}} $AZUREML_SWEEP_x '
        f'$AZUREML_ROOT_RUN_ID" >> {tmp_path}/seen'
    )
    literal = {"jobInputType": "literal", "value": "5"}

    sweep = sweeps.run("mine", command, inputs={"n": literal}, trial={"environmentVariables": {}})

    assert sweep["status"] == "Completed"
    assert sweep["properties"]["best_child_run_id"] == "mine_2"
    assert sweep["properties"]["score"] == "3.0"
    assert sweep["properties"]["space_size"] == "3"
    assert sorted((tmp_path / "seen").read_text().split("\n")) == [
        "",
        "5 1 mine",
        "5 2 mine",
        "5 3 mine",
    ]
    found = children(ask, history, "mine")
    assert [each["runId"] for each in found] == ["mine_0", "mine_1", "mine_2"]
    assert {each["parentRunId"] for each in found} == {"mine"}
    assert [json.loads(each["tags"]["hyperparameters"]) for each in found] == [
        {"x": 1},
        {"x": 2},
        {"x": 3},
    ]
    tags = {
        tag["key"]: tag["value"] for tag in mlflow_run(ask, workspace, "mine_1")["data"]["tags"]
    }
    assert (tags["mlflow.parentRunId"], tags["mlflow.rootRunId"]) == ("mine", "mine")
    assert mlflow_run(ask, workspace, "mine")["info"]["status"] == "FINISHED"
    assert jobs.get("mine_1")["jobType"] == "Command"
    assert job_names(ask("GET", "/jobs")) == ["mine"]
    assert job_names(ask("GET", "/jobs?jobType=Sweep")) == ["mine"]
    log = ask("GET", f"{history}/runs/mine/details").json()["logFiles"]
    assert list(log) == ["azureml-logs/hyperdrive.txt"]


def test_a_random_sweep_ends_after_its_trials_never_more_than_allowed_at_once(
    sweeps: Sweeps, ask: Ask, history: str, tmp_path: Path
) -> None:
    (tmp_path / "busy").mkdir()
    command = (
        f"touch {tmp_path}/busy/$AZUREML_RUN_ID; ls {tmp_path}/busy | wc -l >> {tmp_path}/at-once;"
        f" sleep 0.1; rm {tmp_path}/busy/$AZUREML_RUN_ID"
    )

    sweep = sweeps.run(
        "mine",
        command,
        searchSpace={"lr": ["loguniform", [-6, -1]], "n": ["randint", [9]]},
        samplingAlgorithm={"samplingAlgorithmType": "Random", "seed": 7},
        limits={"maxTotalTrials": 6, "maxConcurrentTrials": 2},
    )

    assert sweep["status"] == "Completed"
    assert "best_child_run_id" not in sweep["properties"]
    assert len(children(ask, history, "mine")) == 6
    counts = [int(line) for line in (tmp_path / "at-once").read_text().split()]
    assert max(counts) <= 2
    details = ask("GET", f"{history}/runs/mine/details").json()
    assert "No trial has logged the primary metric 'score'" in details["warnings"][0]["message"]


def test_early_termination_ends_a_trial_that_does_badly(sweeps: Sweeps, jobs: Jobs) -> None:
    # The bad one logs and then stays for ever: only the policy ends it.
    command = (
        f"if [ ${{{{search_space.x}}}} = 1 ]; then {sweeps.log} 0.1 0.1 && exec sleep 1000; "
        f"else {sweeps.log} 0.9 0.9; fi"
    )

    sweep = sweeps.run(
        "mine",
        command,
        searchSpace={"x": ["choice", [[2, 1]]]},
        limits={"maxConcurrentTrials": 1},
        earlyTermination={"policyType": "Bandit", "slackAmount": 0.2, "evaluationInterval": 2},
    )

    assert sweep["status"] == "Completed"
    assert (jobs.get("mine_0")["status"], jobs.get("mine_1")["status"]) == ("Completed", "Canceled")
    assert sweep["properties"]["best_child_run_id"] == "mine_0"


def test_canceling_a_sweep_cancels_its_trials(sweeps: Sweeps, jobs: Jobs, ask: Ask) -> None:
    sweeps.submit("mine", "exec sleep 1000", limits={"maxConcurrentTrials": 2})
    deadline = time.monotonic() + SECONDS
    while "Running" not in {
        ask("GET", f"/jobs/mine_{n}").json().get("properties", {}).get("status") for n in (0, 1)
    }:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert ask("POST", "/jobs/mine/cancel").status_code == 202

    assert jobs.wait("mine")["status"] == "Canceled"
    assert (jobs.get("mine_0")["status"], jobs.get("mine_1")["status"]) == ("Canceled", "Canceled")
    assert ask("GET", "/jobs/mine_2").status_code == 404
    assert ask("DELETE", "/jobs/mine").status_code == 202
    assert ask("GET", "/jobs/mine_0").status_code == 404


def test_a_sweep_and_a_trial_that_take_too_long_are_canceled(sweeps: Sweeps, jobs: Jobs) -> None:
    short = sweeps.run("short", "exec sleep 1000", limits={"timeout": "PT1S"})
    one = sweeps.run(
        "one", "test ${{search_space.x}} = 1 || exec sleep 1000", limits={"trialTimeout": "PT1S"}
    )

    assert short["status"] == "Canceled"
    assert one["status"] == "Completed"
    assert [jobs.get(f"one_{n}")["status"] for n in range(3)] == [
        "Completed",
        "Canceled",
        "Canceled",
    ]


def test_a_sweep_whose_first_three_trials_fail_is_given_up(
    sweeps: Sweeps, ask: Ask, history: str
) -> None:
    sweep = sweeps.run(
        "mine",
        "exit 3",
        searchSpace={"x": ["choice", [list(range(50))]]},
    )

    assert sweep["status"] == "Failed"
    error = ask("GET", f"{history}/runs/mine/details").json()["error"]["error"]
    assert error["message"].startswith("The first 3 trials have failed.")
    assert len(children(ask, history, "mine")) < 50


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"searchSpace": {}}, 400),
        ({"searchSpace": {"x": ["beta", [1]]}}, 400),
        ({"searchSpace": {"x": ["uniform", [0, 1]]}}, 400),
        ({"samplingAlgorithm": {"samplingAlgorithmType": "Magic"}}, 400),
        ({"objective": {"goal": "most", "primaryMetric": "score"}}, 400),
        ({"objective": {"goal": "minimize"}}, 400),
        ({"limits": {"maxTotalTrials": 0}}, 400),
        ({"limits": {"maxTotalTrials": 1001}}, 400),
        ({"limits": {"timeout": "1 hour"}}, 400),
        ({"earlyTermination": {"policyType": "Hope"}}, 400),
        ({"trial": {"command": ""}}, 400),
        ({"trial": {"environmentId": "azureml:nothing:1"}}, 404),
        ({"inputs": []}, 400),
    ],
)
def test_a_sweep_that_cannot_run_is_refused_and_not_kept(
    sweeps: Sweeps, ask: Ask, wrong: Any, status: int
) -> None:
    answer = sweeps.submit("mine", **wrong)

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == "UserError"
    assert ask("GET", "/jobs/mine").status_code == 404
