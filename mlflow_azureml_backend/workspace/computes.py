"""Check a compute before anything is created for it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.job import ComputeState

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"


def check_compute(connection: Connection, name: str) -> dict[str, Any]:
    """Make sure that a compute exists and can take jobs.

    The service accepts a job for a compute that is broken and lets it wait for ever.

    Returns:
        The properties of its resource.

    Raises:
        NotFoundError: There is no such compute; names those that there are.
        WorkspaceError: Its provisioning failed.
    """
    try:
        compute = connection.arm(
            "GET", f"/computes/{name}", api_version=_API, doing=f"reading compute '{name}'"
        )
    except NotFoundError as error:
        # A missing workspace is a 404 too, and the one that has words: let it speak.
        _ = connection.workspace_facts
        raise NotFoundError(
            f"There is no compute '{name}' in workspace '{connection.ref.workspace_name}'. "
            f"{_choices(connection)} Name one with `compute` in the backend config."
        ) from error
    properties = compute.get("properties") or {}
    if properties.get("provisioningState") == "Failed":
        raise WorkspaceError(
            f"Compute '{name}' cannot run jobs: its provisioning failed{_reason(properties)}."
        )
    if properties.get("provisioningState") == "Deleting":
        raise WorkspaceError(f"Compute '{name}' cannot run jobs: it is being deleted.")
    return dict(properties)


def read_compute_state(connection: Connection, name: str) -> ComputeState:
    """Read what a compute is doing: its nodes, its limit, and why it cannot grow.

    Raises:
        WorkspaceError: It could not be read.
    """
    compute = connection.arm(
        "GET", f"/computes/{name}", api_version=_API, doing=f"reading compute '{name}'"
    )
    cluster = (compute.get("properties") or {}).get("properties") or {}
    counts = cluster.get("nodeStateCounts") or {}
    messages = [
        ((item or {}).get("error") or item or {}).get("message")
        for item in cluster.get("errors") or []
    ]
    return ComputeState(
        name=name,
        most_nodes=(cluster.get("scaleSettings") or {}).get("maxNodeCount"),
        nodes=MappingProxyType(
            {key.removesuffix("NodeCount"): int(count or 0) for key, count in counts.items()}
        ),
        allocation=cluster.get("allocationState"),
        errors=tuple(str(message) for message in messages if message),
    )


def _choices(connection: Connection) -> str:
    page = connection.arm("GET", "/computes", api_version=_API, doing="listing computes")
    names = [str(item["name"]) for item in page.get("value") or []]
    return f"It has: {', '.join(names)}." if names else "It has no compute."


def _reason(properties: dict[str, Any]) -> str:
    for item in properties.get("provisioningErrors") or []:
        message = (item.get("error") or {}).get("message")
        if message:
            return f": {message.rstrip('.')}"
    return ""
