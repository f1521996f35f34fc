"""The body of a sweep job: what a client sent, and all that the service adds; its trials' too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.job_body import new_job, snapshot_id
from mlflow_azureml_backend.emulator.jobs.duration import parse_duration
from mlflow_azureml_backend.emulator.resources import as_texts, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.sweeps.search_space import Value

_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "displayName": None,
    "status": "Running",
    "experimentName": "Default",
    "services": {},
    "computeId": None,
    "isArchived": False,
    "identity": None,
    "componentId": None,
    "notificationSetting": None,
    "secretsConfiguration": None,
    "jobType": "Sweep",
    "searchSpace": {},
    "samplingAlgorithm": {},
    "limits": {},
    "earlyTermination": None,
    "objective": {},
    "trial": {},
    "inputs": {},
    "outputs": {},
    "queueSettings": None,
}
_SAMPLING: Final[Mapping[str, Mapping[str, Any]]] = {
    "Random": {
        "samplingAlgorithmType": "Random",
        "seed": None,
        "logbase": None,
        "rule": "Random",
    },
}
_LIMITS: Final[Mapping[str, Any]] = {
    "timeout": None,
    "jobLimitsType": "Sweep",
    "maxTotalTrials": None,
    "maxConcurrentTrials": None,
    "trialTimeout": None,
}
_POLICY: Final[Mapping[str, Any]] = {"evaluationInterval": 0, "delayEvaluation": 0}
_POLICIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Bandit": {"slackAmount": 0.0, "slackFactor": 0.0},
    "TruncationSelection": {"truncationPercentage": 0},
}
_TRIAL: Final[Mapping[str, Any]] = {
    "codeId": None,
    "command": None,
    "environmentId": None,
    "environmentVariables": {},
    "distribution": None,
    "resources": {},
}
# Unlike that of a command job, the answer names no `shmSize` that was not asked for.
_RESOURCES: Final[Mapping[str, Any]] = {
    "instanceCount": 1,
    "maxInstanceCount": None,
    "instanceType": None,
    "locations": None,
    "properties": None,
    "dockerArgs": None,
}
MOST_TRIALS: Final = 1000
"""How many trials a sweep has when it does not say, and at most."""


def new_sweep(name: str, sent: Mapping[str, Any], *, environment_id: str) -> dict[str, Any]:
    """Build the properties of a sweep that was just submitted.

    Args:
        name: the sweep's name.
        sent: the properties the client sent; they are checked already.
        environment_id: the ARM id of the trials' environment: unlike a command job, a sweep is
            answered with it, whatever was sent.
    """
    common = new_job(name, {**sent, "resources": None, "codeId": None, "limits": None})
    job = filled(_SHAPE, {field: common[field] for field in _SHAPE if field in common})
    job["jobType"], job["status"] = "Sweep", "Running"
    sampling, policy = sent["samplingAlgorithm"], sent.get("earlyTermination")
    job["searchSpace"] = dict(sent["searchSpace"])
    job["samplingAlgorithm"] = filled(
        _SAMPLING.get(sampling["samplingAlgorithmType"], {}), sampling
    )
    if rule := job["samplingAlgorithm"].get("rule"):
        job["samplingAlgorithm"]["rule"] = rule.capitalize()
    job["limits"] = filled(_LIMITS, sent.get("limits") or {})
    if policy:
        shape = {**_POLICY, **_POLICIES.get(policy["policyType"], {})}
        job["earlyTermination"] = filled(shape, policy)
    job["objective"] = {**sent["objective"], "goal": sent["objective"]["goal"].capitalize()}
    job["trial"] = filled(_TRIAL, {**sent["trial"], "environmentId": environment_id})
    job["trial"]["resources"] = filled(
        _RESOURCES, sent["trial"].get("resources") or sent.get("resources") or {}
    )
    job["properties"] = {
        **as_texts(sent.get("properties")),
        "primary_metric_config": _metric(job),
        "resume_from": "null",
        "runTemplate": "HyperDrive",
        "azureml.runsource": "hyperdrive",
        "platform": "AML",
        "ContentSnapshotId": snapshot_id(job["trial"]["codeId"]),
        "user_agent": "managementfrontend/emulator",
    }
    job["tags"] = {**job["tags"], **_system_tags(name, job)}
    return job


def trial_name(sweep: str, index: int) -> str:
    """Name one trial of a sweep.

    Args:
        sweep: the sweep's name.
        index: the trial's number, from 0.
    """
    return f"{sweep}_{index}"


def trial_body(sweep: Mapping[str, Any], name: str, values: Mapping[str, Value]) -> dict[str, Any]:
    """Build the properties of the command job that is one trial.

    Args:
        sweep: the properties of the sweep.
        name: the trial's name.
        values: the values it tries, by parameter.
    """
    trial = sweep["trial"]
    command = trial["command"]
    for parameter, value in values.items():
        command = command.replace(f"${{{{search_space.{parameter}}}}}", value_text(value))
    shared = {
        field: sweep[field]
        for field in ("computeId", "experimentName", "identity", "inputs", "queueSettings")
    }
    outputs = {name: body for name, body in sweep["outputs"].items() if name != "default"}
    timeout = sweep["limits"]["trialTimeout"]
    return new_job(
        name,
        {
            **shared,
            "jobType": "Command",
            "command": command,
            "codeId": trial["codeId"],
            "environmentId": trial["environmentId"],
            "environmentVariables": {
                **trial["environmentVariables"],
                **{f"AZUREML_SWEEP_{key}": value_text(value) for key, value in values.items()},
            },
            "distribution": trial["distribution"],
            "resources": trial["resources"],
            "outputs": outputs,
            "limits": timeout and {"jobLimitsType": "Command", "timeout": timeout},
            "tags": {"hyperparameters": json.dumps(dict(values))},
        },
    )


def value_text(value: Value) -> str:
    """Write a value as a command gets it.

    Args:
        value: a value of the search space.
    """
    return str(value)


def _metric(job: Mapping[str, Any]) -> str:
    objective = job["objective"]
    return json.dumps({"name": objective["primaryMetric"], "goal": objective["goal"].lower()})


def _system_tags(name: str, job: Mapping[str, Any]) -> dict[str, str]:
    """Give the tags that the service keeps its own state of a sweep in."""
    limits, sampling, policy = job["limits"], job["samplingAlgorithm"], job["earlyTermination"]
    total = limits["maxTotalTrials"] or MOST_TRIALS
    minutes = parse_duration(limits["timeout"]).total_seconds() / 60 if limits["timeout"] else 86400
    rules = {
        "evaluation_interval": "evaluationInterval",
        "delay_evaluation": "delayEvaluation",
        "slack_amount": "slackAmount",
        "slack_factor": "slackFactor",
        "truncation_percentage": "truncationPercentage",
    }
    known = {key: policy[field] for key, field in rules.items() if policy and field in policy}
    if policy and policy["policyType"] == "TruncationSelection":
        known["exclude_finished_jobs"] = False
    properties = {key: sampling[key] for key in ("rule", "logbase", "seed") if key in sampling}
    return {
        "_aml_system_max_concurrent_jobs": str(limits["maxConcurrentTrials"] or total),
        "_aml_system_max_total_jobs": str(total),
        "_aml_system_max_duration_minutes": str(int(minutes)),
        "_aml_system_policy_config": json.dumps(
            {"name": policy["policyType"] if policy else "Default", "properties": known}
        ),
        "_aml_system_generator_config": json.dumps(
            {
                "name": sampling["samplingAlgorithmType"].upper(),
                "parameter_space": job["searchSpace"],
                "properties": properties,
            }
        ),
        "_aml_system_primary_metric_config": _metric(job),
        "_aml_system_platform_config": json.dumps(
            {
                "ExperimentName": job["experimentName"],
                "Definition": {"Overrides": {"Command": job["trial"]["command"]}},
                "ParentRunId": name,
            }
        ),
        "_aml_system_resume_child_runs": "null",
        "_aml_system_all_jobs_generated": "false",
        "_aml_system_cancellation_requested": "false",
    }
