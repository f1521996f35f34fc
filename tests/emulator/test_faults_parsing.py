"""Faults as they are written: what is understood, and what is said of the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.faults.effects import EFFECTS as FUNCTIONS
from mlflow_azureml_backend.emulator.faults.fault import EFFECTS
from mlflow_azureml_backend.emulator.faults.parsing import (
    FaultError,
    parse_fault,
    parse_faults,
    read_fault_file,
    workspace_id,
)

if TYPE_CHECKING:
    from pathlib import Path

ARM_ID = (
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
)


@pytest.mark.parametrize(
    "document",
    [
        {"status": 429, "retry_after": 2.5, "route": "GET */details", "count": 3, "skip": 1},
        {"status": 502, "html": True, "handled": True, "service": "blob"},
        {"reset": "before"},
        {"reset": "after", "probability": 0.25, "seed": 7},
        {"hang": True},
        {"hang": 0.5},
        {"slow": 100},
        {"truncate": True},
        {"truncate": 0},
        {"latency": 0, "jitter": 0.1, "client": "azsdk-*"},
        {"expired_token": True},
        {"token_lifetime": -10},
        {"expired_sas": True},
        {"sas_lifetime": 1.5},
        {"log_fragments": 7},
        {"log_truncated": 0},
        {"log_rotated": 100},
        {"lag": 2},
        {"lag_answers": 2},
        {"status_order": "duplicate"},
        {"status_order": "out_of_order", "workspace": ARM_ID.lower()},
    ],
)
def test_a_fault_is_read_and_written_back_as_it_was(document: dict[str, Any]) -> None:
    assert parse_fault(document).as_json() == document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "fault: a fault is an object"),
        ({}, "exactly one effect, and it has none"),
        ({"status": 429, "reset": "before"}, "it has status and reset"),
        ({"stauts": 429}, "there is no key 'stauts'. Did you mean 'status'?"),
        ({"status": 429, "rout": "*"}, "Did you mean 'route'?"),
        ({"status": 429, "qqqqqqqq": 1}, "A fault takes: status, "),
        ({"status": 200}, "'status' has to be an HTTP status from 400 to 599, not 200."),
        ({"status": "429"}, 'not "429"'),
        ({"status": True}, "not true"),
        ({"status": 429, "retry_after": -1}, "'retry_after' has to be a number of seconds"),
        ({"status": 429, "html": "yes"}, "'html' has to be true or false"),
        ({"reset": "before", "retry_after": 1}, "'retry_after' does not belong to 'reset'."),
        ({"status": 429, "jitter": 1}, "It takes: retry_after, html, handled."),
        ({"reset": "now"}, '\'reset\' has to be "before" or "after", not "now".'),
        ({"hang": False}, "'hang' has to be true or a number of seconds"),
        ({"hang": float("nan")}, "'hang' has to be"),
        ({"hang": float("inf")}, "'hang' has to be"),
        ({"token_lifetime": float("inf")}, "also a negative one"),
        ({"slow": 0}, "'slow' has to be a whole number of bytes, 1 or more, not 0."),
        ({"slow": 1.5}, "not 1.5"),
        ({"truncate": -1}, "'truncate' has to be true or a whole number"),
        ({"expired_token": False}, "'expired_token' has to be true, not false."),
        ({"lag_answers": 0}, "'lag_answers' has to be a whole number, 1 or more"),
        ({"status_order": "random"}, '"duplicate" or "out_of_order"'),
        ({"status": 429, "route": "FETCH */x"}, "'route' begins with a method"),
        ({"status": 429, "route": "GET a b"}, "'route' is 'METHOD host/path'"),
        ({"status": 429, "route": 5}, "'route' has to be a text, not 5."),
        ({"status": 429, "service": "queue"}, "'service' is one of api, arm, blob, login, vault"),
        ({"status": 429, "workspace": "w"}, "SUBSCRIPTION/GROUP/WORKSPACE, not 'w'."),
        ({"status": 429, "workspace": "a//b"}, "not 'a//b'"),
        ({"status": 429, "client": None}, "'client' has to be a text, not null."),
        ({"status": 429, "count": 0}, "'count' has to be a whole number, 1 or more, not 0."),
        ({"status": 429, "skip": -1}, "'skip' has to be a whole number, 0 or more, not -1."),
        ({"status": 429, "probability": 2}, "'probability' has to be a number from 0 to 1"),
        ({"status": 429, "seed": "x"}, "'seed' has to be a whole number"),
    ],
)
def test_each_mistake_has_one_clear_message(document: Any, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(document)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_effect_that_can_be_written_can_be_done() -> None:
    assert set(FUNCTIONS) == set(EFFECTS)


@pytest.mark.parametrize("named", [ARM_ID, ARM_ID.upper(), "s/g/w", ARM_ID[1:]])
def test_a_workspace_is_named_by_its_id_or_by_three_names(named: str) -> None:
    assert workspace_id(named) == ARM_ID.lower()


def test_a_plan_is_read_from_yaml_and_from_json(tmp_path: Path) -> None:
    plan = {"faults": [{"status": 503, "count": 2}, {"latency": 0.1}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "plan.yaml").write_text(
        "faults:\n  - status: 503\n    count: 2\n  - latency: 0.1\n"
    )
    from_json = read_fault_file(tmp_path / "plan.json")
    assert [each.as_json() for each in from_json] == plan["faults"]
    assert read_fault_file(tmp_path / "plan.yaml") == from_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "cannot be read"),
        ("status: 503", "an object with one key"),
        ("faults: 503", '"faults" has to be a list'),
        ("faults:\n  - status: 503\n  - hagn: true", "faults[1]: there is no key 'hagn'. Did you"),
        ("faults: [{1: 2}]", "there is no key '1'"),
    ],
)
def test_a_mistake_in_a_file_is_said_with_its_place(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(content)
    with pytest.raises(FaultError) as caught:
        read_fault_file(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_plan_with_other_keys_is_refused() -> None:
    with pytest.raises(FaultError, match="one key"):
        parse_faults({"faults": [], "more": 1})
