"""Sweep jobs: shape them for azure-ai-ml, and read how their trials do."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.sweep import NAMES_PROPERTY, Objective, SweepState, Trial
from mlflow_azureml_backend.workspace.jobs import read_job
from mlflow_azureml_backend.workspace.run_history import error_text, read_children

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.sweep import SweepSpec
    from mlflow_azureml_backend.workspace.connection import Connection

# Where a trial's run keeps what it tries, as JSON.
_VALUES = "hyperparameters"


def as_sweep(trial: Any, spec: SweepSpec) -> Any:
    """Make azure-ai-ml's sweep job of the command job that each trial is.

    Args:
        trial: What `azure.ai.ml.command` gave, or `load_job` of a command job's YAML.
        spec: What to vary.
    """
    from azure.ai.ml import sweep as entities
    from azure.ai.ml.entities import CommandJob

    # `command(…).sweep()` would lose what is not a component's.
    job = trial if isinstance(trial, CommandJob) else trial._to_job()  # noqa: SLF001
    objective = spec.objective
    return entities.SweepJob(
        name=job.name,
        display_name=job.display_name,
        description=job.description,
        experiment_name=job.experiment_name,
        tags=job.tags,
        properties=job.properties,
        compute=job.compute,
        identity=job.identity,
        queue_settings=job.queue_settings,
        inputs=job.inputs,
        outputs=job.outputs,
        trial=job,
        search_space={name: _distribution(found) for name, found in spec.search_space.items()},
        sampling_algorithm=_made(_SAMPLINGS, spec.sampling_algorithm),
        objective=entities.Objective(goal=objective.goal, primary_metric=objective.primary_metric),
        # A limit of the command job is one of each trial, unless the sweep has its own.
        limits=entities.SweepJobLimits(**spec.limits),
        early_termination=spec.early_termination and _made(_POLICIES, spec.early_termination),
    )


def read_sweep(connection: Connection, name: str) -> SweepState | None:
    """Take one look at a sweep and its trials.

    Args:
        connection: The workspace.
        name: The job.

    Returns:
        None for a job that is no sweep.

    Raises:
        WorkspaceError: It could not be read; the job goes on.
    """
    job = read_job(connection, name)["properties"]
    if job["jobType"] != "Sweep":
        return None
    objective, properties = job["objective"], job.get("properties") or {}
    return SweepState(
        objective=Objective(
            goal=objective["goal"].lower(), primary_metric=objective["primaryMetric"]
        ),
        trials=tuple(sorted(map(_trial, read_children(connection, name)), key=_number)),
        best=properties.get("best_child_run_id"),
        names=MappingProxyType(json.loads(properties.get(NAMES_PROPERTY) or "{}")),
    )


def _trial(run: Mapping[str, Any]) -> Trial:
    return Trial(
        job_name=run["runId"],
        status=JobStatus(run.get("status") or JobStatus.UNKNOWN.value),
        values=MappingProxyType(_values((run.get("tags") or {}).get(_VALUES))),
        error=error_text(run.get("error")),
    )


def _values(text: str | None) -> dict[str, str]:
    """Read what a trial tries; nothing when the service has not said it yet."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if found else {}


def _number(trial: Trial) -> tuple[int, str]:
    """Order trials as they began: the service counts them at the end of their names."""
    digits = trial.job_name.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0, trial.job_name)


# Classes of `azure.ai.ml.sweep`, by the `type` that the YAML knows them by.
_DISTRIBUTIONS = {
    "choice": "Choice",
    "randint": "Randint",
    "uniform": "Uniform",
    "loguniform": "LogUniform",
    "quniform": "QUniform",
    "qloguniform": "QLogUniform",
    "normal": "Normal",
    "lognormal": "LogNormal",
    "qnormal": "QNormal",
    "qlognormal": "QLogNormal",
}
_SAMPLINGS = {
    "random": "RandomSamplingAlgorithm",
    "grid": "GridSamplingAlgorithm",
    "bayesian": "BayesianSamplingAlgorithm",
}
_POLICIES = {
    "bandit": "BanditPolicy",
    "median_stopping": "MedianStoppingPolicy",
    "truncation_selection": "TruncationSelectionPolicy",
}


def _distribution(found: Mapping[str, Any]) -> Any:
    plain = {key: list(value) if key == "values" else value for key, value in found.items()}
    return _made(_DISTRIBUTIONS, plain)


def _made(table: Mapping[str, str], found: Mapping[str, Any]) -> Any:
    from azure.ai.ml import sweep as entities

    arguments = {key: value for key, value in found.items() if key != "type"}
    return getattr(entities, table[found["type"]])(**arguments)
