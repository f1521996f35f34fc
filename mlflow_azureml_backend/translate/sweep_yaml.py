"""A sweep job as YAML: the command job's document, and what makes it a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.sweep import SweepSpec

_SCHEMA = "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"
# What belongs to each trial; everything else of a command job is the sweep's.
_TRIAL = ("command", "code", "environment", "environment_variables", "distribution", "resources")


def sweep_yaml(command_job: Mapping[str, Any], spec: SweepSpec) -> dict[str, Any]:
    """Turn a command job's document into that of its sweep.

    Args:
        command_job: As `az ml job create -f` takes it.
        spec: What to vary.

    Returns:
        A document that `az ml job create -f` takes as well.
    """
    shared = {
        key: value
        for key, value in command_job.items()
        if key not in (*_TRIAL, "$schema", "type", "limits", "is_deterministic", "services")
    }
    trial_timeout = (command_job.get("limits") or {}).get("timeout")
    limits = {"trial_timeout": trial_timeout} if trial_timeout else {}
    document = {
        "$schema": _SCHEMA,
        "type": "sweep",
        **shared,
        "trial": {key: command_job[key] for key in _TRIAL if key in command_job},
        "search_space": {
            name: {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}
            for name, found in spec.search_space.items()
        },
        "sampling_algorithm": dict(spec.sampling_algorithm),
        "objective": {
            "goal": spec.objective.goal,
            "primary_metric": spec.objective.primary_metric,
        },
        "limits": {**limits, **spec.limits},
    }
    if spec.early_termination is not None:
        document["early_termination"] = dict(spec.early_termination)
    return document
