"""What a job is to do, read from its document; what cannot be done fails it with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.distribution import Layout, read_layout, read_nodes
from mlflow_azureml_backend.emulator.jobs.duration import parse_duration
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.nodes import Demand
from mlflow_azureml_backend.emulator.routes.job_checks import find_code, find_environment
from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_PRIORITY: Final = 2
"""The priority of a job that names none: medium, between low (1) and high (3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """Hold what the engine needs of a command job.

    Args:
        command: what bash runs, with its expressions.
        environment: what it runs in.
        code_uri: where its code is; None for a job without code.
        inputs: its inputs by name, as the service keeps them.
        outputs: its outputs by name, as the service keeps them.
        variables: its `environmentVariables`.
        layout: its processes.
        demand: the nodes it needs.
        timeout: how long it may run; None for ever.
        experiment_name: the experiment of its run.
        shm_size: the size of its shared memory, for example `2g`.
        docker_args: further options for a container.
    """

    command: str
    environment: EnvironmentSpec
    code_uri: str | None
    inputs: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    variables: Mapping[str, str]
    layout: Layout
    demand: Demand
    timeout: timedelta | None
    experiment_name: str
    shm_size: str | None
    docker_args: str | None


def read_definition(state: State, workspace: WorkspaceKey, job: Mapping[str, Any]) -> JobDefinition:
    """Read a job's document, and what it refers to.

    Args:
        state: the documents of the workspace.
        workspace: the workspace.
        job: the properties of the job's resource.

    Raises:
        JobFailure: something it refers to is gone, or it asks for what the emulator does not have.
    """
    if job["jobType"] != "Command":
        raise JobFailure(
            f"The emulator runs no jobs of the type {job['jobType']}, only Command, Sweep and "
            "Pipeline."
        )
    layout = read_layout(job)
    demand = read_demand(state, workspace, job)
    if demand.capacity is not None and demand.count > demand.capacity:
        raise JobFailure(
            f"The job asks for {demand.count} nodes, and its compute "
            f"'{job['computeId'].rpartition('/')[2]}' has {demand.capacity} at most."
        )
    variables = {str(k): str(v) for k, v in (job.get("environmentVariables") or {}).items()}
    return JobDefinition(
        command=job["command"],
        environment=_environment(state, workspace, job),
        code_uri=_code_uri(state, workspace, job.get("codeId")),
        inputs=read_inputs(job),
        outputs=read_outputs(job),
        variables=variables,
        layout=layout,
        demand=demand,
        timeout=read_timeout(job),
        experiment_name=job["experimentName"],
        shm_size=(job.get("resources") or {}).get("shmSize"),
        docker_args=(job.get("resources") or {}).get("dockerArgs"),
    )


def read_demand(state: State, workspace: WorkspaceKey, job: Mapping[str, Any]) -> Demand:
    """Say which nodes a job needs.

    Args:
        state: the documents of the workspace.
        workspace: the workspace.
        job: the properties of the job's resource.

    Raises:
        JobFailure: the job asks for less than one node.
    """
    count = read_nodes(job)
    priority = int((job.get("queueSettings") or {}).get("priority") or _PRIORITY)
    compute_id = job.get("computeId")
    if not compute_id:  # serverless: the service finds a node for each job
        name, capacity = f"{workspace.storage_key}/serverless", None
    else:
        cluster = compute_id.rpartition("/")[2]
        name, capacity = cluster_of(workspace, cluster), _capacity(state, workspace, cluster)
    return Demand(
        compute=name,
        count=count,
        capacity=capacity,
        priority=priority,
    )


def cluster_of(workspace: WorkspaceKey, name: str) -> str:
    """Name a cluster as no other cluster of the emulator is named.

    Args:
        workspace: its workspace.
        name: its name there.
    """
    return f"{workspace.storage_key}/computes/{name.lower()}"


def read_timeout(job: Mapping[str, Any]) -> timedelta | None:
    """Say how long a job may run.

    Args:
        job: the properties of the job's resource.

    Raises:
        JobFailure: its limit is no duration.
    """
    text = (job.get("limits") or {}).get("timeout")
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise JobFailure(f"The job's limits.timeout: {error}") from None


def read_inputs(job: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Give a job's inputs by name, as the service keeps them.

    Args:
        job: the properties of the job's resource.
    """
    return {name: value for name, value in (job.get("inputs") or {}).items() if value}


def read_outputs(job: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Give a job's outputs by name, as the service keeps them.

    Args:
        job: the properties of the job's resource.
    """
    return {name: value for name, value in (job.get("outputs") or {}).items() if value}


def _capacity(state: State, workspace: WorkspaceKey, name: str) -> int | None:
    """Say how many nodes a compute has at most; None for one without a limit."""
    compute = state.get("compute", workspace.storage_key, name)
    if compute is None:
        return 0
    kind = compute.body.get("computeType") or "AmlCompute"
    if kind == "Kubernetes":
        return None
    if kind == "ComputeInstance":
        return 1
    scale = compute.body["properties"].get("scaleSettings") or {}
    return int(scale.get("maxNodeCount", 1))


def _environment(state: State, workspace: WorkspaceKey, job: Mapping[str, Any]) -> EnvironmentSpec:
    try:
        found = find_environment(state, workspace, job["environmentId"])
    except ServiceError as error:
        raise JobFailure(error.message) from None
    return EnvironmentSpec(
        name=found.name,
        version=found.version,
        conda_file=found.body.get("condaFile") or None,
        image=found.body.get("image"),
        build=found.body.get("build"),
    )


def _code_uri(state: State, workspace: WorkspaceKey, code_id: str | None) -> str | None:
    if not code_id:
        return None
    try:
        return str(find_code(state, workspace, code_id).body["codeUri"])
    except ServiceError as error:
        raise JobFailure(f"The job's code '{code_id}': {error.message}") from None
