"""Sampling: which values a sweep tries, one trial after the other."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_azureml_backend.emulator.sweeps.sampling import read_sampler
from mlflow_azureml_backend.emulator.sweeps.sobol import DIMENSIONS, sobol_point

SPACE = {"x": ["uniform", [0, 1]], "y": ["choice", [["a", "b"]]]}


def sampler(kind: str, space: Any = SPACE, name: str = "sweep", **fields: Any) -> Any:
    algorithm = {"samplingAlgorithmType": kind, **fields}
    return read_sampler({"searchSpace": space, "samplingAlgorithm": algorithm}, name)


@pytest.mark.parametrize("rule", ["Random", "Sobol"])
def test_the_same_seed_gives_the_same_trials_and_another_one_others(rule: str) -> None:
    first = [sampler("Random", rule=rule, seed=3).propose(index, []) for index in range(8)]
    again = [
        sampler("Random", rule=rule, seed=3, name="else").propose(index, []) for index in range(8)
    ]
    other = [sampler("Random", rule=rule, seed=4).propose(index, []) for index in range(8)]

    assert first == again
    assert first != other
    assert len({trial["x"] for trial in first}) == 8


def test_without_a_seed_chance_begins_with_the_sweeps_name() -> None:
    assert sampler("Random").propose(0, []) == sampler("Random").propose(0, [])
    assert sampler("Random").propose(0, []) != sampler("Random", name="other").propose(0, [])


def test_a_grid_has_every_combination_once_and_then_ends() -> None:
    grid = sampler("Grid", {"x": ["choice", [[1, 2]]], "y": ["choice", [["a", "b", "c"]]]})

    trials = [grid.propose(index, []) for index in range(7)]

    assert grid.size == 6
    assert trials[6] is None
    assert [tuple(trial.values()) for trial in trials[:6]] == [
        (1, "a"),
        (1, "b"),
        (1, "c"),
        (2, "a"),
        (2, "b"),
        (2, "c"),
    ]


def test_sobols_sequence_is_the_one_that_scipy_has() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc")
    expected = qmc.Sobol(DIMENSIONS, scramble=False).random(64)

    found = [sobol_point(index, (0,) * DIMENSIONS) for index in range(64)]

    assert expected.tolist() == [list(point) for point in found]


def test_sobol_fills_every_quarter_evenly() -> None:
    sobol = sampler("Random", {"x": ["uniform", [0, 4]]}, rule="sobol", seed=1)

    quarters = [int(sobol.propose(index, [])["x"]) for index in range(16)]

    assert [quarters.count(quarter) for quarter in range(4)] == [4, 4, 4, 4]


def test_bayesian_sampling_comes_nearer_to_the_best_than_chance() -> None:
    space = {"x": ["uniform", [0, 10]], "y": ["choice", [["bad", "good", "worse"]]]}

    def score(trial: Any) -> float:
        return -abs(trial["x"] - 7.3) - {"bad": 3, "good": 0, "worse": 6}[trial["y"]]

    def best_of(kind: str, name: str) -> float:
        found, scored = sampler(kind, space, name), []
        for index in range(30):
            trial = found.propose(index, scored)
            scored.append((trial, score(trial)))
        return max(value for _, value in scored)

    names = [f"sweep-{number}" for number in range(20)]
    learned = sum(best_of("Bayesian", name) for name in names) / len(names)
    guessed = sum(best_of("Random", name) for name in names) / len(names)

    assert learned > guessed / 2  # half as far away, or nearer


@pytest.mark.parametrize(
    ("kind", "space", "complaint"),
    [
        ("Grid", SPACE, "'x' is uniform; grid sampling takes choice only"),
        ("Bayesian", {"x": ["normal", [0, 1]]}, "bayesian sampling takes choice, uniform"),
    ],
)
def test_what_an_algorithm_cannot_sample_is_refused(kind: str, space: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        sampler(kind, space)


def test_more_parameters_than_the_sequence_is_known_for_are_refused() -> None:
    space = {f"x{number}": ["uniform", [0, 1]] for number in range(DIMENSIONS + 1)}

    with pytest.raises(ValueError, match=f"more than {DIMENSIONS} parameters"):
        sampler("Random", space, rule="sobol")
