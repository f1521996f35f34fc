"""What the workspace can say of a job before it exists: could it run there at all."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.inheritance import VARIABLE
from mlflow_azureml_backend.errors import ConfigError, WorkspaceError
from mlflow_azureml_backend.workspace.computes import check_compute
from mlflow_azureml_backend.workspace.connection import ARM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"
# A job for an instance in one of these states would wait for somebody who starts it.
_NOT_RUNNING = frozenset(
    {"Stopped", "Stopping", "Deleting", "CreateFailed", "SetupFailed", "Unusable"}
)


# Many jobs are submitted at once, and for one compute; what keeps one from running is not believed
# a second time, so that whoever mends it can go on at once.
_FRESH_SECONDS = 10.0


def check_job(connection: Connection, spec: JobSpec, *, wants_gpu: bool) -> tuple[str, ...]:
    """Find what keeps a job from running: the service would take it and let it wait for ever.

    A check that was passed holds for a few seconds.

    Args:
        connection: The workspace.
        spec: The job.
        wants_gpu: The user asked for CUDA; otherwise an image that has it is worth a note.

    Returns:
        What the user should know.

    Raises:
        ConfigError: The compute has too few nodes, no such instance type, or no GPU.
        NotFoundError: There is no such compute.
        WorkspaceError: The compute is not in a state to run jobs.
    """
    starts_runs = VARIABLE in spec.environment_variables
    asked = (spec.compute, spec.resources, spec.environment.image, starts_runs, wants_gpu)
    return connection.once(
        ("check", repr(asked)),
        lambda: _checked(connection, spec, wants_gpu=wants_gpu),
        seconds=_FRESH_SECONDS,
    )


def _checked(connection: Connection, spec: JobSpec, *, wants_gpu: bool) -> tuple[str, ...]:
    resources = spec.resources
    if spec.compute is None:
        size = _size(connection, resources.instance_type) if resources.instance_type else None
        return _gpu_notes(spec, size, resources.instance_type or "", wants_gpu=wants_gpu)
    if "/" in spec.compute:
        return ()  # of another workspace or a virtual cluster, which this one cannot tell of
    properties = check_compute(connection, spec.compute)
    compute, kind = properties.get("properties") or {}, properties.get("computeType")
    notes: tuple[str, ...] = ()
    count = resources.instance_count or 1
    if kind == "AmlCompute":
        most = (compute.get("scaleSettings") or {}).get("maxNodeCount")
        if most is not None and count > most:
            raise ConfigError(
                f"Backend config: resources.instance_count: {count} nodes are more than the "
                f"{most} that compute '{spec.compute}' can have. Ask for fewer, or raise its "
                f"maximum: az ml compute update --name {spec.compute} --max-instances {count}."
            )
        notes = _notes_of_steps(spec, free=None if most is None else most - count)
    elif kind == "ComputeInstance":
        _check_instance(spec.compute, compute, count)
        notes = _notes_of_steps(spec, free=0)
    elif kind == "Kubernetes":
        _check_kubernetes(spec.compute, compute, resources.instance_type)
        return ()
    if not wants_gpu and not _has_cuda(spec):
        return notes  # what the size has does not matter
    name = str(compute.get("vmSize") or "")
    size = _sizes(connection).get(name.lower())
    return (*notes, *_gpu_notes(spec, size, name, wants_gpu=wants_gpu))


def _notes_of_steps(spec: JobSpec, *, free: int | None) -> tuple[str, ...]:
    """Warn of a job that would wait for ever for the runs that it starts, which wait for its node.

    Args:
        spec: The job.
        free: How many nodes the compute has beside those of the job; None for any number.
    """
    if VARIABLE not in spec.environment_variables or free is None or free > 0:
        return ()
    note = (
        f"the job starts runs itself and keeps compute '{spec.compute}' to itself meanwhile, so "
        "that they wait for ever if they are to run there too; name another compute for them, or "
        "for the job"
    )
    return (note,)


def _check_instance(name: str, compute: Mapping[str, Any], count: int) -> None:
    if count > 1:
        raise ConfigError(
            f"Backend config: resources.instance_count: {count}, and compute '{name}' is an "
            "instance, which has one node. Name a cluster."
        )
    state = compute.get("state")
    if state in _NOT_RUNNING:
        raise WorkspaceError(
            f"Compute '{name}' cannot run jobs: it is {state}. Start it: "
            f"az ml compute start --name {name}."
        )


def _check_kubernetes(name: str, compute: Mapping[str, Any], instance_type: str | None) -> None:
    known = list(compute.get("instanceTypes") or {})
    if instance_type is not None and known and instance_type not in known:
        raise ConfigError(
            f"Backend config: resources.instance_type: compute '{name}' has no instance type "
            f"'{instance_type}'. It has: {', '.join(known)}."
        )


def _size(connection: Connection, name: str) -> Mapping[str, Any] | None:
    sizes = _sizes(connection)
    if not sizes or name.lower() in sizes:
        return sizes.get(name.lower())
    near = difflib.get_close_matches(name.lower(), sizes, n=3)
    hint = f" Did you mean {' or '.join(sizes[found]['name'] for found in near)}?" if near else ""
    raise ConfigError(
        f"Backend config: resources.instance_type: '{name}' is no VM size of the workspace's "
        f"region.{hint}"
    )


def _sizes(connection: Connection) -> dict[str, dict[str, Any]]:
    """List the VM sizes of the region, by their names in lower case; nothing if it is not told."""
    location = connection.workspace_facts.get("location")
    url = (
        f"{ARM}/subscriptions/{connection.ref.subscription_id}/providers"
        f"/Microsoft.MachineLearningServices/locations/{location}/vmSizes"
    )
    try:
        page = connection.once(
            ("sizes",),
            lambda: connection.json(
                "GET", url, doing="listing VM sizes", query={"api-version": _API}
            ),
        )
    except WorkspaceError:
        return {}  # it takes a role of the subscription, which not everybody has
    return {str(size["name"]).lower(): size for size in page.get("value") or []}


def _gpu_notes(
    spec: JobSpec, size: Mapping[str, Any] | None, name: str, *, wants_gpu: bool
) -> tuple[str, ...]:
    if size is None or size.get("gpus") or not size.get("name"):
        return ()
    where = f"compute '{spec.compute}' ({name})" if spec.compute else name
    if wants_gpu:
        raise ConfigError(
            f"Backend config: image.gpu: {where} has no GPU. Choose a size that has one."
        )
    if _has_cuda(spec):
        return (f"{where} has no GPU, and the environment's image has CUDA",)
    return ()


def _has_cuda(spec: JobSpec) -> bool:
    return "cuda" in (spec.environment.image or "")
