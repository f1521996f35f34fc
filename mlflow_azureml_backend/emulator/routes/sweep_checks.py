"""What the service checks of a sweep at submission, beyond what it checks of every job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.field_checks import Kind, check_fields, invalid
from mlflow_azureml_backend.emulator.jobs.duration import parse_duration
from mlflow_azureml_backend.emulator.routes.job_checks import check_job, find_environment
from mlflow_azureml_backend.emulator.sweep_body import MOST_TRIALS
from mlflow_azureml_backend.emulator.sweeps.early_termination import POLICIES
from mlflow_azureml_backend.emulator.sweeps.sampling import read_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_ALGORITHMS: Final = ("Random", "Grid", "Bayesian")
_RULES: Final = ("random", "sobol")
_GOALS: Final = ("minimize", "maximize")
_FIELDS: Final[Kind] = {
    "searchSpace": dict,
    "samplingAlgorithm": {"samplingAlgorithmType": str, "rule": str, "seed": int},
    "objective": {"goal": str, "primaryMetric": str},
    "limits": {
        "timeout": str,
        "trialTimeout": str,
        "maxTotalTrials": int,
        "maxConcurrentTrials": int,
    },
    "earlyTermination": {
        "policyType": str,
        "evaluationInterval": int,
        "delayEvaluation": int,
        "truncationPercentage": int,
    },
    "trial": {
        "command": str,
        "codeId": str,
        "environmentId": str,
        "environmentVariables": dict,
        "distribution": {"distributionType": str},
        "resources": {"instanceCount": int, "instanceType": str, "dockerArgs": str},
    },
}


def check_sweep(state: State, key: WorkspaceKey, sweep: Mapping[str, Any]) -> str:
    """Check a sweep as the service does when it is submitted.

    Args:
        state: the documents of the workspace.
        key: the workspace.
        sweep: the properties the client sent.

    Returns:
        The ARM id of its trials' environment.

    Raises:
        ServiceError: 400 for a sweep that makes no sense or is not emulated, 404 for a reference
            to something that does not exist.
    """
    check_fields(sweep, _FIELDS)
    for field in ("trial", "searchSpace", "samplingAlgorithm", "objective"):
        if not sweep.get(field):
            raise invalid(f"The {field[0].upper()}{field[1:]} field is required.")
    trial = sweep["trial"]
    check_job(state, key, {**trial, "computeId": sweep.get("computeId"), "jobType": "Command"})
    _check_choice(sweep["samplingAlgorithm"], "samplingAlgorithmType", _ALGORITHMS)
    rule = {"rule": str(sweep["samplingAlgorithm"].get("rule") or "random").lower()}
    _check_choice(rule, "rule", _RULES)
    objective = sweep["objective"]
    if not (objective.get("primaryMetric") or "").strip():
        raise invalid("The PrimaryMetric field is required.")
    _check_choice({**objective, "goal": str(objective.get("goal")).lower()}, "goal", _GOALS)
    if sweep.get("earlyTermination"):
        _check_choice(sweep["earlyTermination"], "policyType", POLICIES)
        if sweep["samplingAlgorithm"]["samplingAlgorithmType"] == "Bayesian":
            raise invalid("Bayesian sampling does not support early termination.")
    _check_limits(sweep.get("limits") or {})
    try:
        read_sampler(sweep, "")
    except ValueError as error:
        raise invalid(str(error), "InvalidSearchSpace") from None
    found = find_environment(state, key, trial["environmentId"])
    return f"{key.arm_id}/environments/{found.name}/versions/{found.version}"


def _check_choice(holder: Mapping[str, Any], field: str, allowed: tuple[str, ...]) -> None:
    if holder.get(field) not in allowed:
        raise invalid(
            f"The {field} is {holder.get(field)!r}; it has to be one of {', '.join(allowed)}."
        )


def _check_limits(limits: Mapping[str, Any]) -> None:
    for field in ("maxTotalTrials", "maxConcurrentTrials"):
        number = limits.get(field)
        if number is not None and not 1 <= number <= MOST_TRIALS:
            raise invalid(f"The {field} has to be from 1 to {MOST_TRIALS}, and is {number}.")
    for field in ("timeout", "trialTimeout"):
        try:
            parse_duration(limits.get(field) or "PT1S")
        except ValueError as error:
            raise invalid(f"The {field}: {error}") from None
