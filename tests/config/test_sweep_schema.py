"""The config's `sweep`: what is no sweep, each with one message that names the key."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ConfigError

SWEEP = {
    "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"goal": "maximize", "primary_metric": "accuracy"},
}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"search_space": {}}, "sweep.search_space: must not be empty, got {}"),
        ({"search_space": {"lr": 5}}, "sweep.search_space.lr: must be an object whose type is one"),
        ({"search_space": {"lr": {"type": "beta"}}}, "one of choice, randint, uniform,"),
        (
            {"search_space": {"lr": {"type": "uniform", "min_value": "0", "max_value": 1}}},
            "sweep.search_space.lr.min_value: must be a number, got '0'",
        ),
        (
            {"search_space": {"lr": {"type": "normal", "mu": 0, "sgima": 1, "sigma": 1}}},
            "sweep.search_space.lr.sgima: unknown key. Did you mean 'sigma'? Allowed: type, mu",
        ),
        (
            {"search_space": {"lr": {"type": "qnormal", "mu": 0, "sigma": 1, "q": 0}}},
            "sweep.search_space.lr.q: must be a number greater than 0, got 0",
        ),
        (
            {"search_space": {"lr": {"type": "choice", "values": [1, {"a": 1}]}}},
            "sweep.search_space.lr.values.1: must be text, a number, true or false",
        ),
        ({"sampling_algorithm": "magic"}, "must be 'random', 'sobol', 'grid' or 'bayesian'"),
        ({"sampling_algorithm": {"type": "sobol"}}, "type is one of random, grid, bayesian"),
        (
            {"sampling_algorithm": {"type": "random", "sed": 1}},
            "sweep.sampling_algorithm.sed: unknown key. Did you mean 'seed'?",
        ),
        (
            {"objective": {"goal": "max", "primary_metric": "x"}},
            "sweep.objective.goal: must be 'minimize' or 'maximize', got 'max'",
        ),
        ({"objective": {"goal": "maximize"}}, "sweep.objective.primary_metric: is missing"),
        ({"limits": {"max_total_trials": 0}}, "max_total_trials: must be greater than 0, got 0"),
        ({"limits": {"max_total_trials": 1001}}, "must be 1000 or less, got 1001"),
        ({"limits": {"timeout": "1h"}}, "sweep.limits.timeout: must be a whole number, got '1h'"),
        ({"early_termination": {"type": "hope"}}, "one of bandit, median_stopping, truncation"),
        (
            {"early_termination": {"type": "truncation_selection"}},
            "sweep.early_termination.truncation_percentage: is missing",
        ),
        ({"trials": 3}, "sweep.trials: unknown key."),
    ],
)
def test_a_mistake_in_a_sweep_has_one_message_that_names_its_key(section, message):
    with pytest.raises(ConfigError) as raised:
        read_backend_config({"sweep": {**SWEEP, **section}})

    assert str(raised.value).count("\n") == 0
    assert message in str(raised.value)


def test_numbers_keep_their_kind():
    values = [1, 1.0, True, "1"]
    space = {"x": {"type": "choice", "values": values}}

    config, _ = read_backend_config({"sweep": {**SWEEP, "search_space": space}})

    found = config.sweep.search_space["x"].values
    assert [(type(value), value) for value in found] == [(type(v), v) for v in values]
