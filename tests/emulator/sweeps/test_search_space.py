"""Search spaces: what their distributions give, and what is no search space."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mlflow_azureml_backend.emulator.sweeps.search_space import read_search_space

EXAMPLES: dict[str, list[Any]] = {
    "choice": [["a", 2, 0.5, True, None]],
    "randint": [5],
    "uniform": [-1, 3],
    "loguniform": [-6, -1],
    "quniform": [0.1, 0.7, 0.1],
    "qloguniform": [0, 3, 2],
    "normal": [10, 2],
    "lognormal": [0, 1],
    "qnormal": [10, 3, 5],
    "qlognormal": [1, 1, 1],
}
POSITIONS = [0.0, 1e-12, 0.1, 0.25, 0.5, 0.75, 0.9, 1 - 1e-12]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_values_of_a_distribution_grow_with_their_position(kind: str) -> None:
    found = read_search_space({"x": [kind, EXAMPLES[kind]]})["x"]

    values = [found.at(position) for position in POSITIONS]

    if kind == "choice":
        assert values == ["a", "a", "a", 2, 0.5, True, None, None]
    else:
        numbers = [float(value or 0) for value in values]
        assert numbers == sorted(numbers)
        assert numbers[0] < numbers[-1]


@pytest.mark.parametrize(
    ("kind", "position", "value"),
    [
        ("uniform", 0.25, 0.0),
        ("loguniform", 0.0, math.exp(-6)),
        ("quniform", 0.34, 0.3),
        ("qloguniform", 0.5, 4),
        ("randint", 0.99, 4),
        ("normal", 0.5, 10.0),
        ("lognormal", 0.5, 1.0),
        ("qnormal", 0.7, 10),
        ("qlognormal", 0.5, 3),
    ],
)
def test_a_value_is_the_documented_function_of_its_position(
    kind: str, position: float, value: float
) -> None:
    found = read_search_space({"x": [kind, EXAMPLES[kind]]})["x"].at(position)

    assert found == pytest.approx(value)
    assert type(found) is type(value)
    assert len(str(found)) < len("0.30000000000000004")


@pytest.mark.parametrize("kind", ["choice", "uniform", "quniform"])
def test_a_position_is_found_again_from_its_value(kind: str) -> None:
    found = read_search_space({"x": [kind, EXAMPLES[kind]]})["x"]

    for position in (0.05, 0.33, 0.95):
        assert found.at(found.position(found.at(position))) == found.at(position)


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ({}, "at least one parameter"),
        ({"x": {"type": "uniform"}}, "list of a distribution's name"),
        ({"x": ["beta", [1, 2]]}, "known are choice, randint"),
        ({"x": ["uniform", [1]]}, "uniform takes min_value, max_value"),
        ({"x": ["uniform", ["a", 2]]}, "min_value, max_value have to be numbers"),
        ({"x": ["uniform", [2, 1]]}, "max_value has to be at least min_value"),
        ({"x": ["quniform", [1, 2, 0]]}, "q has to be more than 0"),
        ({"x": ["normal", [1, 0]]}, "sigma has to be more than 0"),
        ({"x": ["randint", [0]]}, "upper has to be a whole number"),
        ({"x": ["choice", [[]]]}, "choice takes a list of values"),
        ({"x": ["choice", [[{"a": 1}]]]}, "nested search spaces are not supported"),
    ],
)
def test_what_is_no_search_space_is_refused_by_the_parameters_name(
    space: Any, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_search_space(space)
