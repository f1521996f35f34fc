"""List the jobs of a workspace, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.timestamps import instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mlflow_azureml_backend.workspace.connection import Connection

_API = "2024-04-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """One job as the workspace's list tells it, which knows neither its start nor its end.

    Args:
        created: When it was submitted.
        studio_url: Link to its page, or None.
    """

    job_name: str
    status: JobStatus
    experiment_name: str
    display_name: str | None
    created: datetime | None
    studio_url: str | None


def list_jobs(connection: Connection) -> Iterator[ListedJob]:
    """Give every job of the workspace that is not archived, newest first, a page at a time.

    Args:
        connection: The workspace.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    doing = "listing jobs"
    page = connection.arm("GET", "/jobs", api_version=_API, doing=doing)
    while True:
        yield from map(_listed, page.get("value") or [])
        following = page.get("nextLink")
        if not following:
            return
        page = connection.json("GET", following, doing=doing)


def _listed(resource: dict[str, Any]) -> ListedJob:
    properties = resource.get("properties") or {}
    studio = (properties.get("services") or {}).get("Studio") or {}
    return ListedJob(
        job_name=str(resource["name"]),
        status=JobStatus(properties.get("status") or JobStatus.UNKNOWN.value),
        experiment_name=str(properties.get("experimentName") or ""),
        display_name=properties.get("displayName"),
        created=instant((resource.get("systemData") or {}).get("createdAt")),
        studio_url=studio.get("endpoint"),
    )
