"""Early termination: which trials each policy gives up, and when."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_azureml_backend.emulator.sweeps.early_termination import Progress, Terminator


def poor(policy: dict[str, Any], trials: dict[str, list[float]], *, goal: str = "maximize") -> Any:
    sign = 1 if goal == "maximize" else -1
    terminator = Terminator(policy, maximize=sign > 0)
    return terminator.poor(
        [
            Progress(name=name, scores=[sign * value for value in values], running=True)
            for name, values in trials.items()
        ]
    )


@pytest.mark.parametrize(
    ("policy", "goal", "given_up"),
    [
        # The service's own example: with a slack of 0.2, 0.8 / 1.2 = 0.66 is what must be reached.
        ({"slackFactor": 0.2}, "maximize", ("b",)),
        ({"slackFactor": 0.05}, "maximize", ("b", "c")),
        ({"slackAmount": 0.2}, "maximize", ()),
        ({"slackAmount": 0.1}, "maximize", ("b", "c")),
        ({"slackFactor": 0.1}, "minimize", ("a", "c")),
        ({"slackFactor": 0.3}, "minimize", ()),
    ],
)
def test_bandit_gives_up_what_is_too_far_behind_the_best(
    policy: Any, goal: str, given_up: Any
) -> None:
    trials = {"a": [0.8], "b": [0.65], "c": [0.69 if goal == "maximize" else 0.75]}

    assert poor({"policyType": "Bandit", **policy}, trials, goal=goal) == given_up


def test_median_stopping_compares_the_best_with_the_median_of_averages() -> None:
    trials = {"a": [0.1, 0.9], "b": [0.4, 0.4], "c": [0.2, 0.3]}

    assert poor({"policyType": "MedianStopping", "evaluationInterval": 2}, trials) == ("c",)


def test_truncation_gives_up_the_share_that_does_worst() -> None:
    trials = {name: [float(value)] for value, name in enumerate("abcde")}
    policy = {"policyType": "TruncationSelection", "truncationPercentage": 40}

    assert poor(policy, trials) == ("a", "b")
    assert poor(policy, trials, goal="minimize") == ("d", "e")
    assert poor({**policy, "truncationPercentage": 10}, trials) == ()


def test_a_policy_waits_for_its_delay_and_its_interval() -> None:
    policy = {
        "policyType": "Bandit",
        "slackAmount": 0.1,
        "evaluationInterval": 2,
        "delayEvaluation": 3,
    }

    for number, expected in {1: (), 2: (), 3: (), 4: ("b",), 5: ("b",)}.items():
        assert poor(policy, {"a": [1.0] * 9, "b": [0.5] * number}) == expected


def test_a_trial_is_judged_once_at_each_interval_and_only_by_what_others_did_until_there() -> None:
    terminator = Terminator({"policyType": "Bandit", "slackAmount": 0.1}, maximize=True)

    def look(first: list[float], second: list[float]) -> tuple[str, ...]:
        return terminator.poor(
            [
                Progress(name="a", scores=first, running=True),
                Progress(name="b", scores=second, running=True),
            ]
        )

    assert look([0.5], [0.5, 0.9]) == ()
    assert look([0.5], [0.5, 0.9, 0.9]) == ()
    assert look([0.5, 0.6], [0.5, 0.9, 0.9]) == ("a",)


def test_a_trial_that_has_ended_is_compared_with_but_not_given_up() -> None:
    terminator = Terminator({"policyType": "Bandit", "slackAmount": 0.1}, maximize=True)

    found = terminator.poor(
        [
            Progress(name="best", scores=[1.0], running=False),
            Progress(name="bad", scores=[0.1], running=False),
            Progress(name="slow", scores=[0.2], running=True),
        ]
    )

    assert found == ("slow",)
