"""Early termination: which trials of a sweep do too badly to go on.

A trial has come to an interval each time it has logged the primary metric once more. A policy is
applied to a trial at every multiple of its `evaluationInterval`, but not before `delayEvaluation`,
and once at each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Say what a trial has logged.

    Args:
        name: the trial.
        scores: the primary metric, value by value; the higher the better.
        running: it has not ended, and can be given up.
    """

    name: str
    scores: Sequence[float]
    running: bool


class Terminator:
    """Apply a sweep's policy to its trials as they go on.

    Args:
        policy: the field `earlyTermination`.
        maximize: whether metrics were turned around to be scores.
    """

    def __init__(self, policy: Mapping[str, Any], *, maximize: bool) -> None:
        self._policy = policy
        self._maximize = maximize
        self._interval = int(policy.get("evaluationInterval") or 1)
        self._delay = int(policy.get("delayEvaluation") or 0)
        self._judged: dict[str, int] = {}
        self._is_poor = _POLICIES[policy["policyType"]]

    def poor(self, trials: Sequence[Progress]) -> tuple[str, ...]:
        """Name the running trials that are to be given up now.

        Args:
            trials: all trials of the sweep that have logged anything.
        """
        found = []
        for trial in trials:
            interval = len(trial.scores) // self._interval * self._interval
            due = interval >= max(self._delay, 1) and interval > self._judged.get(trial.name, 0)
            if not (trial.running and due):
                continue
            self._judged[trial.name] = interval
            others = [list(other.scores[:interval]) for other in trials if other is not trial]
            if self._is_poor(
                list(trial.scores[:interval]),
                [scores for scores in others if scores],
                self._policy,
                self._maximize,
            ):
                found.append(trial.name)
        return tuple(found)


def _bandit(
    own: list[float], others: list[list[float]], policy: Mapping[str, Any], maximize: bool
) -> bool:
    best = max(max(scores) for scores in [own, *others])
    if amount := float(policy.get("slackAmount") or 0):
        return max(own) < best - amount
    factor = 1 + float(policy.get("slackFactor") or 0)
    # In the metric's own terms: the best value divided by the factor, or times it.
    return max(own) < (best / factor if maximize else best * factor)


def _median(
    own: list[float], others: list[list[float]], policy: Mapping[str, Any], maximize: bool
) -> bool:
    del policy, maximize
    return max(own) < median(fmean(scores) for scores in [own, *others])


def _truncation(
    own: list[float], others: list[list[float]], policy: Mapping[str, Any], maximize: bool
) -> bool:
    del maximize
    rivals = [max(scores) for scores in others if len(scores) >= len(own)]
    lowest = math.floor((len(rivals) + 1) * int(policy.get("truncationPercentage") or 0) / 100)
    return sum(rival <= max(own) for rival in rivals) < lowest


_POLICIES: Final = {
    "Bandit": _bandit,
    "MedianStopping": _median,
    "TruncationSelection": _truncation,
}

POLICIES: Final = tuple(_POLICIES)
"""The policies there are, as the service calls them."""
