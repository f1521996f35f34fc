"""Sweeps: from the config's section and an entry point to what Azure ML gets, or to one message."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.project.spec import EntryPoint, Parameter
from mlflow_azureml_backend.translate.command import render_command
from mlflow_azureml_backend.translate.sweep import placeholders, plan_sweep, without_swept

ENTRY_POINT = EntryPoint(
    name="main",
    command="train {lr} {batch-size} {label} {data}",
    parameters=(
        Parameter(name="lr", type="float"),
        Parameter(name="batch-size", type="int", default="8"),
        Parameter(name="label", type="string"),
        Parameter(name="data", type="path"),
        Parameter(name="site", type="uri"),
    ),
)
OBJECTIVE = {"goal": "maximize", "primary_metric": "accuracy"}
LR = {"type": "loguniform", "min_value": -6, "max_value": -1}


def plan(space, *, values=None, **section):
    raw = {"sweep": {"search_space": space, "objective": OBJECTIVE, **section}}
    config, _ = read_backend_config(raw)
    assert config.sweep is not None
    return plan_sweep(config.sweep, ENTRY_POINT, values or {})


def command(spec, values):
    varied = placeholders(spec)
    return render_command(without_swept(ENTRY_POINT, varied), values, placeholders=varied)


def test_a_parameter_that_varies_is_a_placeholder_and_the_others_keep_their_values():
    spec = plan({"lr": LR, "batch-size": {"type": "choice", "values": [8, 16]}})

    text = command(spec, {"label": "a b", "data": "x", "site": "s3://b"})

    assert text == ("train ${{search_space.lr}} ${{search_space.batch_size}} 'a b' x")
    assert spec.parameters == {"lr": "lr", "batch_size": "batch-size"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    "value", ["a b", "$(touch no)", "'", '"', "`id`", "a\nb", "*", "", "${{inputs.x}}", "\\"]
)
def test_a_choice_that_a_shell_would_read_arrives_as_it_is(value):
    spec = plan({"label": {"type": "choice", "values": ["plain", value]}})

    text = command(spec, {"lr": "1", "data": "x", "site": "s3://b"})

    script = text.replace("train", "printf '%s\\0'")
    shown = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"AZUREML_SWEEP_label": value},
        capture_output=True,
        check=True,
    )
    assert shown.stdout.split(b"\0")[2].decode() == value
    assert "${{" not in text


def test_truth_values_are_spelled_as_in_the_rest_of_the_config():
    spec = plan({"label": {"type": "choice", "values": [True, "x"]}})

    assert spec.search_space["label"]["values"] == ("true", "x")


def test_sobol_is_a_rule_of_random_sampling():
    spec = plan({"lr": LR}, sampling_algorithm="sobol")

    assert spec.sampling_algorithm == {"type": "random", "rule": "sobol"}


UNIFORM = {"type": "uniform", "min_value": 0, "max_value": 1}


@pytest.mark.parametrize(
    ("space", "section", "complaint"),
    [
        ({"depth": LR}, {}, "'main' declares no such parameter. Declared: lr, batch-size, label"),
        ({"data": {"type": "choice", "values": ["a"]}}, {}, "type path cannot be varied"),
        ({"site": {"type": "choice", "values": ["a"]}}, {}, "needs a choice of URIs"),
        ({"lr": {"type": "choice", "values": [1, "fast"]}}, {}, "every value must be a number"),
        ({"batch-size": UNIFORM}, {}, "its type is int"),
        ({"batch-size": {"type": "choice", "values": [1, 0.5]}}, {}, "its type is int"),
        ({"lr": {**UNIFORM, "max_value": 0}}, {}, "min_value must be below max_value"),
        ({"lr": UNIFORM}, {"sampling_algorithm": "grid"}, "grid sampling cannot draw from uniform"),
        ({"lr": LR}, {"sampling_algorithm": "bayesian"}, "bayesian sampling cannot draw from"),
        (
            {"lr": UNIFORM},
            {
                "sampling_algorithm": {"type": "bayesian"},
                "early_termination": {"type": "median_stopping"},
            },
            "bayesian sampling goes without",
        ),
        (
            {"lr": LR},
            {"early_termination": {"type": "bandit"}},
            "bandit needs either slack_factor or slack_amount",
        ),
        (
            {"lr": LR},
            {"limits": {"max_total_trials": 2, "max_concurrent_trials": 3}},
            r"max_concurrent_trials \(3\) must not be more than max_total_trials \(2\)",
        ),
        (
            {"lr": LR},
            {"limits": {"timeout": 2, "trial_timeout": 3}},
            "trial_timeout must not be more than timeout",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_key(space, section, complaint):
    with pytest.raises(ConfigError, match=rf"Backend config: sweep\..*{complaint}"):
        plan(space, **section)


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError) as raised:
        plan({"lr": LR, "depth": UNIFORM, "data": UNIFORM}, values={"lr": "0.1"})

    message = str(raised.value)
    assert message.startswith("Backend config: 3 problems:")
    assert "sweep.search_space.lr: the sweep chooses its value; leave out -P lr=0.1." in message


def test_two_names_that_azure_ml_cannot_tell_apart_are_refused():
    entry_point = EntryPoint(
        name="main", command="x", parameters=(Parameter(name="a-b"), Parameter(name="a_b"))
    )
    config, _ = read_backend_config(
        {"sweep": {"search_space": {"a-b": LR, "a_b": LR}, "objective": OBJECTIVE}}
    )

    with pytest.raises(ConfigError, match="both are called a_b"):
        plan_sweep(config.sweep, entry_point, {})
