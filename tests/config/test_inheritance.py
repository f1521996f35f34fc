"""What a job hands down to the runs that it starts: its config, less its own part and secrets."""

import json
import re
from pathlib import Path

import pytest

from mlflow_azureml_backend.config import BackendConfig, read_backend_config
from mlflow_azureml_backend.config.inheritance import (
    HANDED_DOWN,
    ITS_OWN,
    VARIABLE,
    hand_down,
    inheritance_of,
    with_inherited,
)
from mlflow_azureml_backend.config.variables import SECRETS
from mlflow_azureml_backend.errors import ConfigError

URL = "https://vault1.vault.azure.net/secrets"


def read(raw):
    return read_backend_config(raw)[0]


def passed_on(raw, child=None, process=None, **said):
    """Give the config of a run that a job with the config `raw` starts, and the notes."""
    down = hand_down(read(raw), read(raw), **{"env_manager": None, "git": None, **said})
    environ = {VARIABLE: down.as_text(), **(process or {})}
    return with_inherited(read(child or {}), inheritance_of(environ), environ)


def test_for_every_key_of_the_config_it_is_decided():
    assert set(HANDED_DOWN) & set(ITS_OWN) == set()
    assert set(HANDED_DOWN) | set(ITS_OWN) == set(BackendConfig.model_fields)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compute", "gpu"),
        ("environment", "azureml:e:1"),
        ("environment", {"image": "i", "conda_file": {"dependencies": ["python=3.11"]}}),
        ("image", {"base": "i", "gpu": True}),
        ("inject", "command"),
        ("lock", {"platforms": ["linux-64"], "channels": ["a"], "file": "f", "check": True}),
        ("environment_variables", {"A": "${{inputs.a}} é", "B": "$${env:no}", "K": "keyvault:k"}),
        ("resources", {"instance_type": "t", "docker_args": "--ipc host"}),
        ("distribution", {"type": "pytorch", "process_count_per_instance": 2}),
        ("limits", {"timeout": 60}),
        ("queue_settings", {"job_tier": "spot", "priority": "low"}),
        ("identity", {"type": "user_identity"}),
        ("tags", {"a": "${{b}}"}),
        ("properties", {"a": "1"}),
        ("snapshot", {"exclude": ["data"], "max_size": 1000}),
        ("max_input_size", 1000),
        ("queue_timeout", 60),
    ],
)
def test_a_key_that_is_handed_down_arrives_as_it_was(key, value):
    process = {SECRETS: json.dumps({"K": f"{URL}/k"})}
    laid, notes = passed_on({key: value}, process=process)
    expected = read({key: value})
    if key == "environment_variables":  # a secret's reference names the vault that it was found in
        expected = read({key: {**value, "K": "keyvault:vault1/k"}})
    assert getattr(laid, key) == getattr(expected, key)
    assert laid.model_fields_set == {key}
    assert notes == ()


def test_the_keys_of_the_job_itself_stay_with_it():
    own = {
        "workspace": "emulator",
        "experiment_name": "e",
        "inputs": {"a": "b"},
        "outputs": {"c": {"type": "uri_folder"}},
        "display_name": "d",
        "description": "d",
        "services": {"lab": {"type": "jupyter_lab"}},
        "parent_job_name": "p",
        "nested_runs": True,
        "is_deterministic": True,
        "job_file": "job.yml",
        "dry_run": True,
        "sweep": {
            "search_space": {"x": {"type": "choice", "values": [1]}},
            "objective": {"goal": "minimize", "primary_metric": "loss"},
        },
        "tracking": "mirror",
        "register_model": {"name": "m"},
        "stream": False,
        "on_interrupt": "detach",
    }
    steps = {"steps": {"main": {}}}
    assert {**own, **steps}.keys() == set(ITS_OWN)
    for given in ({key: own[key] for key in own if key != "register_model"}, steps):
        assert passed_on(given) == (BackendConfig(), ())
    assert passed_on({"register_model": own["register_model"]}) == (BackendConfig(), ())


def test_what_a_run_says_itself_goes_first_entry_by_entry():
    parent = {
        "compute": "cpu",
        "tags": {"a": 1, "b": 1},
        "resources": {"instance_count": 2, "shm_size": "4g"},
        "queue_timeout": 60,
    }
    child = {"compute": "gpu", "tags": {"b": 2}, "resources": {"instance_count": 1}}
    laid, _ = passed_on(parent, {**child, "queue_timeout": None})
    assert laid.compute == "gpu"
    assert laid.tags == {"a": "1", "b": "2"}
    assert laid.resources.model_dump(exclude_none=True) == {"instance_count": 1, "shm_size": "4g"}
    assert laid.queue_timeout is None


@pytest.mark.parametrize("child", [{"environment": "azureml:e:2"}, {"image": "other"}])
def test_a_run_that_chooses_what_it_runs_in_inherits_nothing_of_that(child):
    parent = {"environment": "azureml:e:1", "inject": "command", "compute": "cpu"}
    laid, _ = passed_on(parent, child)
    assert laid.model_dump(exclude_unset=True) == {"compute": "cpu", **child}


def test_no_secret_and_no_value_of_the_client_is_in_the_variable_and_yet_all_arrive():
    parent = read(
        {
            "environment_variables": {
                "HELD": {"value": "not to be seen", "secret": True},
                "FROM_HERE": "x ${env:HOME_OF_CLIENT}",
                "GIVEN": {"value": "${env:TOKEN}", "secret": True},
                "OPEN": "1",
                "INDEX": "https://me:not-to-be-seen@example.com/simple",
                "MLFLOW_RUN_ID": "f00",
            },
            "lock": {"channels": ["https://t:not-to-be-seen@example.com/conda"]},
        }
    )
    text = hand_down(parent, parent, env_manager=None, git=None).as_text()
    assert re.findall("not.to.be.seen|HOME_OF_CLIENT|TOKEN|f00", text) == []
    process = {
        VARIABLE: text,
        "FROM_HERE": "x /home/me",
        SECRETS: json.dumps({"HELD": f"{URL}/job-0-HELD/{'a' * 32}"}),
    }
    laid, notes = with_inherited(read({}), inheritance_of(process), process)
    assert laid.environment_variables == {
        "OPEN": "1",
        "FROM_HERE": "${env:FROM_HERE}",
        "HELD": f"keyvault:vault1/job-0-HELD/{'a' * 32}",
    }
    assert sorted(notes) == [
        "environment_variables.GIVEN of the parent is not handed down: this job has no such secret",
        "environment_variables.INDEX of the parent is not handed down: it holds a URL with a login",
        "lock of the parent is not handed down: it holds a URL with a login",
    ]


def test_a_key_that_was_left_out_is_not_missed_by_a_run_that_gives_it():
    parent = {"image": {"repository": "r.io/team/project"}}
    assert passed_on(parent)[1] == (
        "image of the parent is not handed down: it is about the Docker Engine of the client",
    )
    assert passed_on(parent, {"image": "other"})[1] == ()


def test_the_commit_and_the_environment_manager_go_along():
    git = {"commit": "c0ffee", "repo_url": None, "branch": "main", "dirty": True}
    down = hand_down(read({}), read({}), env_manager="local", git=git)
    parent = inheritance_of({VARIABLE: down.as_text()})
    assert (parent.env_manager, parent.git) == ("local", git)


def test_more_than_a_variable_takes_is_refused():
    with pytest.raises(ConfigError, match='"nested_runs": false'):
        passed_on({"tags": {f"k{index}": "v" * 1000 for index in range(40)}})


@pytest.mark.parametrize("text", ["{", "[]", '{"config": 1}', '{"config": {"sweep": {}}}'])
def test_a_variable_that_holds_something_else_is_told(text):
    with pytest.raises(ConfigError, match=VARIABLE):
        inheritance_of({VARIABLE: text})


def test_outside_of_a_job_nothing_is_inherited():
    assert inheritance_of({}) is None


@pytest.mark.parametrize(
    ("row", "keys"), [("handed down", HANDED_DOWN), ("the job's own", ITS_OWN)]
)
def test_the_documentation_names_the_same_keys(row, keys):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "multi-step.md"
    [line] = re.findall(rf"^\| {row} \|(.*)\|$", page.read_text("utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", line)) == sorted(keys)
