"""The frozen types of a sweep, in the words of Azure ML's sweep job YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import EMPTY, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES_PROPERTY = "mlflow_azureml.sweep_parameters"
"""The job's property that keeps MLproject's names of parameters where Azure ML needs others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What a sweep looks for.

    Args:
        goal: `minimize` or `maximize`.
        primary_metric: The metric that the project logs.
    """

    goal: str
    primary_metric: str

    def best(self, values: Mapping[str, float]) -> str | None:
        """Name the best of some values; None of none.

        Args:
            values: A value of the metric by name.
        """
        choose = max if self.goal == "maximize" else min
        return choose(values, key=lambda name: values[name]) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSpec:
    """The fields that a sweep job has beyond those of its trials' command job.

    Args:
        search_space: Distribution of each parameter: `type` and its numbers or `values`, by the
            parameter's name in the search space.
        parameters: MLproject's name of each parameter, by its name in the search space, where
            fewer characters are allowed.
        sampling_algorithm: `type` (`random`, `grid` or `bayesian`) and what that type takes.
        limits: `max_total_trials` and others; times in seconds.
        early_termination: `type` and what that type takes, or None.
    """

    search_space: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, str]
    sampling_algorithm: Mapping[str, Any]
    objective: Objective
    limits: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    early_termination: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One look at a trial.

    Args:
        job_name: The trial's job.
        values: What it tries, as text, by the parameter's name in the search space.
        error: Why it failed, or None.
    """

    job_name: str
    status: JobStatus
    values: Mapping[str, str]
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """One look at a sweep.

    Args:
        trials: In the order in which they began.
        best: The job of the trial that the service holds for the best, or None.
        names: MLproject's names of parameters whose name in the search space is another one.
    """

    objective: Objective
    trials: tuple[Trial, ...]
    best: str | None
    names: Mapping[str, str] = field(default_factory=lambda: EMPTY)
