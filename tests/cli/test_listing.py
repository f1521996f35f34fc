"""`list` and `show`."""

from __future__ import annotations

import json

import pytest

from mlflow_azureml_backend.cli.tables import length, plain, size
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.runs.listing import list_runs, statuses_named
from tests.cli.conftest import LARGE, read_json


def test_the_stores_runs_are_listed_newest_first_and_tab_separated(cli, in_world):
    lines = [line.split("\t") for line in cli("list", "--experiment", "here").stdout.splitlines()]

    assert [line[:2] for line in lines] == [
        [in_world.runs["broken"], "broken"],
        [in_world.runs["trained"], "trained"],
    ]
    assert {line[3] for line in lines} == {"here"}
    assert len(lines[0]) == 6


def test_the_list_is_cut_off_and_chosen_from(cli, in_world):
    cli("wait", "trained", "broken")

    assert len(read_json(cli("list", "--limit", "1", "--json"))) == 1
    for word in ("Failed", "FAILED", "failed"):
        [run] = read_json(cli("list", "--experiment", "here", "--status", word, "--json"))
        assert (run["job_name"], run["status"]) == ("broken", "FAILED")
    both = cli("list", "--experiment", "here", "--status", "Completed", "--status", "KILLED")
    assert both.stdout.split("\t")[1] == "trained"


def test_with_a_workspace_its_jobs_are_listed_with_their_own_status(cli, in_world):
    arm_id = in_world.workspace.arm_id
    jobs = {run["job_name"]: run for run in read_json(cli("list", "-w", arm_id, "--json"))}

    assert jobs["foreign"]["run_id"] == "foreign"
    assert jobs["trained"]["status"] == "Completed"
    assert jobs["trained"]["seconds"] >= 0
    assert jobs["trained"]["created"] <= jobs["trained"]["ended"]
    failed = cli("list", "-w", arm_id, "--status", "FAILED", "--experiment", "in the workspace")
    assert [line.split("\t")[1] for line in failed.stdout.splitlines()] == ["broken"]
    assert cli("list", "-w", arm_id, "--experiment", "nobody's").stdout == ""


@pytest.mark.slow
def test_every_page_of_a_long_list_is_read(in_world, emulator):
    from mlflow_azureml_backend.emulator.administration import request
    from mlflow_azureml_backend.job import WorkspaceRef

    other = WorkspaceRef(
        subscription_id=in_world.workspace.subscription_id,
        resource_group="tests",
        workspace_name="long",
    )
    path = f"/_emulator/workspaces/{other.subscription_id}/tests/long"
    request(emulator, "PUT", path)
    request(emulator, "PUT", f"{path}/pace", body={"held": True})
    from mlflow_azureml_backend.workspace import connect

    connection = connect(other)._connection
    environment = f"{in_world.workspace.arm_id}/environments/plain/versions/1"
    body = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
    options = {"api_version": "2024-04-01", "doing": "preparing"}
    connection.arm("PUT", "/environments/plain/versions/1", body=body, **options)
    for number in range(35):
        job = {
            "jobType": "Command",
            "command": "true",
            "environmentId": environment.replace("/workspaces/cli/", "/workspaces/long/"),
            "computeId": f"{other.arm_id}/computes/cpu-cluster",
        }
        connection.arm("PUT", f"/jobs/job{number}", body={"properties": job}, **options)

    names = [run.job_name for run in list_runs(workspace=other, limit=None)]
    assert names == [f"job{number}" for number in reversed(range(35))]
    assert len(list_runs(workspace=other, limit=33)) == 33


def test_unknown_words_are_told_with_all_that_there_are(cli):
    result = cli("list", "--status", "Done")

    assert result.exit_code == 1
    assert "--status Done" in result.stderr
    assert "Completed" in result.stderr
    assert "FINISHED" in result.stderr
    assert "There is no experiment 'nobody's'" in cli("list", "--experiment", "nobody's").stderr


def test_a_word_means_what_the_system_whose_it_is_says():
    assert statuses_named(["Running"]) == {JobStatus.RUNNING}
    assert JobStatus.FINALIZING in statuses_named(["RUNNING"])
    assert statuses_named(["canceled"]) == statuses_named(["killed"]) == {JobStatus.CANCELED}
    assert JobStatus.QUEUED in statuses_named(["scheduled"])
    assert statuses_named([]) == frozenset()
    with pytest.raises(ConfigError):
        statuses_named([""])


def test_a_run_is_shown_with_what_it_logged_and_left(cli, in_world):
    told = read_json(cli("show", in_world.runs["trained"], "--json"))

    assert told["run_id"] == in_world.runs["trained"]
    assert (told["status"], told["mlflow_status"]) == ("Completed", "FINISHED")
    assert told["params"] == {"alpha": "0.5"}
    assert told["metrics"] == {"loss": 0.25}
    sizes = {file["path"]: file["size"] for file in told["artifacts"]}
    assert sizes["outputs/deep/large.bin"] == LARGE
    assert sizes["outputs/empty"] == 0
    assert sizes["user_logs/std_log.txt"] == len("one\ntwo\n")
    assert told["outputs"]["model"].startswith("azureml://")
    text = cli("show", "trained").stdout
    for part in ("Completed", "alpha", "0.5", "loss", "0.25", "8.6 MiB", "A name", "Link"):
        assert part in text


def test_a_run_without_a_start_is_shown_too(cli, in_world):
    in_world.administer("PUT", "pace", {"held": True})
    in_world.submit("waiting")
    told = read_json(cli("show", "waiting", "--json"))
    in_world.administer("PUT", "pace", {"held": False})

    assert told["started"] is None
    assert told["artifacts"] == []
    json.dumps(told)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0s"), (59.9, "59s"), (185, "3m05s"), (7800, "2h10m"), (360_000, "4d04h")],
)
def test_a_duration_is_short(seconds, text):
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (9_000_000, "8.6 MiB")],
)
def test_a_size_is_short(count, text):
    assert size(count) == text


def test_a_name_cannot_take_over_the_terminal():
    assert plain("a\x1b[2Jb\tc\nd") == "a [2Jb c d"
