"""Which values a sweep tries next: at random, by Sobol's sequence, on a grid, or by what it knows.

A proposal depends on nothing but the sweep, the trial's number and how earlier trials ended. So
an emulator that takes up a sweep after a restart goes on as if it had never stopped.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.sweeps.search_space import read_search_space
from mlflow_azureml_backend.emulator.sweeps.sobol import DIMENSIONS, sobol_point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.emulator.sweeps.search_space import Distribution, Value

_LEARNS_FROM: Final = ("choice", "uniform", "quniform")
_FIRST_TRIALS: Final = 5
_GOOD_SHARE: Final = 0.25
_CANDIDATES: Final = 64
_NARROWEST: Final = 0.05

Scored = tuple["Mapping[str, Value]", float]
"""The values of a trial, and its score: the higher the better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """Propose the values of trials.

    Args:
        space: the distributions by parameter.
        algorithm: `random`, `sobol`, `grid` or `bayesian`.
        seed: what chance begins with.
    """

    space: Mapping[str, Distribution]
    algorithm: str
    seed: str

    @property
    def size(self) -> int | None:
        """Give the number of different trials there are; None for endlessly many."""
        sizes = [found.size for found in self.space.values()]
        return None if None in sizes else math.prod(size or 1 for size in sizes)

    def propose(self, index: int, scored: Sequence[Scored]) -> dict[str, Value] | None:
        """Give the values of a trial; None when a grid has no further ones.

        Args:
            index: the trial's number, from 0.
            scored: the trials that have ended with a score.
        """
        if self.algorithm == "grid":
            values = product(*(found.arguments["values"] for found in self.space.values()))
            combination = next(islice(values, index, None), None)
            return None if combination is None else dict(zip(self.space, combination, strict=True))
        chance = random.Random(f"{self.seed}/{index}")  # noqa: S311 (decides no secret)
        if self.algorithm == "sobol":
            shared = random.Random(self.seed)  # noqa: S311
            point = sobol_point(index, tuple(shared.getrandbits(30) for _ in self.space))
        elif self.algorithm == "bayesian" and len(scored) >= _FIRST_TRIALS:
            point = self._promising(chance, scored)
        else:
            point = tuple(chance.random() for _ in self.space)
        pairs = zip(self.space.items(), point, strict=True)
        return {name: found.at(position) for (name, found), position in pairs}

    def _promising(self, chance: random.Random, scored: Sequence[Scored]) -> tuple[float, ...]:
        """Choose the candidate that is nearest to good trials and farthest from the others.

        This is the tree-structured Parzen estimator, in its simplest form.
        """
        best_first = sorted(scored, key=lambda trial: trial[1], reverse=True)
        points = [
            tuple(self.space[name].position(value) for name, value in values.items())
            for values, _ in best_first
        ]
        cut = max(1, math.ceil(len(points) * _GOOD_SHARE))
        good, others = points[:cut], points[cut:]
        width = max(_NARROWEST, len(points) ** -0.5 / 2)
        candidates = [
            tuple(_within(chance.gauss(centre, width)) for centre in chance.choice(good))
            for _ in range(_CANDIDATES)
        ]
        return max(
            candidates,
            key=lambda point: _density(point, good, width) - _density(point, others, width),
        )


def read_sampler(sweep: Mapping[str, Any], name: str) -> Sampler:
    """Read what a sweep says about its trials.

    Args:
        sweep: the properties of the sweep, as the service keeps them.
        name: the sweep's name, which chance begins with when there is no seed.

    Raises:
        ValueError: it makes no sense, or the service would not run it.
    """
    space = read_search_space(sweep["searchSpace"])
    sent = sweep["samplingAlgorithm"]
    algorithm = str(sent["samplingAlgorithmType"]).lower()
    if algorithm == "random" and str(sent.get("rule") or "").lower() == "sobol":
        algorithm = "sobol"
    allowed = {"grid": ("choice",), "bayesian": _LEARNS_FROM}.get(algorithm)
    for parameter, found in space.items():
        if allowed is not None and found.kind not in allowed:
            raise ValueError(
                f"The search space of '{parameter}' is {found.kind}; {algorithm} sampling takes "
                f"{', '.join(allowed)} only."
            )
    if algorithm == "sobol" and len(space) > DIMENSIONS:
        raise ValueError(
            f"Sobol sampling of more than {DIMENSIONS} parameters is not supported by the emulator."
        )
    seed = sent.get("seed")
    return Sampler(space=space, algorithm=algorithm, seed=name if seed is None else str(seed))


def _within(position: float) -> float:
    """Fold a position that left the cube back into it."""
    return min(max(abs(1 - abs(1 - abs(position))), 0.0), 1 - 1e-12)


def _density(point: Sequence[float], points: Sequence[Sequence[float]], width: float) -> float:
    """Give the logarithm of how dense points are around one; flat where there are none."""
    total = 1e-12
    for known in points:
        square = sum((a - b) ** 2 for a, b in zip(point, known, strict=True))
        total += math.exp(-square / (2 * width * width)) / len(points)
    return math.log(total)
