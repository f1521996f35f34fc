"""What run history calls the runs of jobs, by their types: jobs, sweeps, pipelines and steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.state import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind:
    """Hold what run history calls a kind of run.

    Args:
        run_type: its `runType`.
        orchestrator: what runs it.
        traits: further names of what it is.
        attribution: who begins it; None for the user.
    """

    run_type: str
    orchestrator: str
    traits: tuple[str, ...]
    attribution: str | None = None


_KINDS: Final[Mapping[str, RunKind]] = {
    "Command": RunKind(
        run_type="azureml.scriptrun",
        orchestrator="Execution",
        traits=("scriptRun", "remote", "MFE", "DevPlatv2", "CommonRuntime"),
    ),
    "Sweep": RunKind(
        run_type="hyperdrive",
        orchestrator="HyperDrive",
        traits=("hyperDrive", "remote", "MFE", "DevPlatv2"),
    ),
    "Pipeline": RunKind(
        run_type="azureml.PipelineRun",
        orchestrator="Pipeline",
        traits=("azureml.PipelineRun", "MFE", "HTTP", "DevPlatv2"),
    ),
}
_STEP: Final = RunKind(
    run_type="azureml.StepRun",
    orchestrator="Execution",
    traits=("azureml.StepRun", "scriptRun", "remote", "OsType:Linux", "CommonRuntime"),
    attribution="Aether",
)


def run_kind(job: Document) -> RunKind:
    """Say what kind of run a job's is.

    Args:
        job: the job.
    """
    if job.body["properties"].get("azureml.runsource") == "azureml.StepRun":
        return _STEP
    return _KINDS[job.body["jobType"]]


def parameters_of(job: Document) -> dict[str, Any]:
    """Give the parameters of a job: a pipeline's are its inputs that are no data.

    Args:
        job: the job.
    """
    if job.body["jobType"] != "Pipeline":
        return job.body.get("parameters") or {}
    return {
        name: body["value"]
        for name, body in job.body["inputs"].items()
        if body["jobInputType"] == "literal"
    }


def compute_of(job: Document) -> dict[str, Any]:
    """Say on what a job runs.

    Args:
        job: the job.
    """
    if job.body["jobType"] == "Pipeline":  # which no compute runs: only its steps are
        return {"target": None, "computeRequest": None, "compute": None}
    compute = (job.body["computeId"] or "serverless").rpartition("/")[2]
    about = job.body["trial"] if job.body["jobType"] == "Sweep" else job.body
    count = about["resources"]["instanceCount"]
    return {
        "target": compute,
        "computeRequest": {"nodeCount": count, "gpuCount": 0},
        "compute": {
            "target": compute,
            "targetType": "amlcompute",
            "vmSize": None,
            "instanceType": None,
            "instanceCount": count,
            "gpuCount": 0,
            "priority": None,
            "region": None,
            "armId": None,
            "properties": None,
        },
    }
