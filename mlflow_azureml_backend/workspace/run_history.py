"""Run history: a job's status, its log files and the error that only run history knows."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import EMPTY, JobDetails, JobStatus
from mlflow_azureml_backend.workspace.failures import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.workspace.connection import Connection

# In the tags of a job that a cluster is to run, as recorded from the service.
_CLUSTER_TAG = "_aml_system_ComputeTargetStatus"
_SERVERLESS = "serverless"


def read_details(connection: Connection, job_name: str, *, brief: bool = False) -> JobDetails:
    """Take one look at a job.

    Args:
        connection: The workspace.
        job_name: The job.
        brief: Make one attempt with short timeouts, for who asks again anyway.

    Raises:
        WorkspaceError: Run history could not be read; the job goes on.
    """
    url = f"{connection.api}/history/v1.0{connection.ref.arm_id}/runs/{job_name}/details"
    answer = connection.json(
        "GET", url, doing=f"reading the status of job '{job_name}'", brief=brief
    )
    request = answer.get("computeRequest") or {}
    target = (answer.get("compute") or {}).get("target") or answer.get("target")
    return JobDetails(
        status=JobStatus(answer.get("status") or JobStatus.UNKNOWN.value),
        log_files=MappingProxyType(dict(answer.get("logFiles") or {})),
        error=error_text(answer.get("error")),
        created_time=answer.get("createdTimeUtc"),
        start_time=answer.get("startTimeUtc"),
        end_time=answer.get("endTimeUtc"),
        compute=str(target) if target and target != _SERVERLESS else None,
        nodes=int(request.get("nodeCount") or 1),
        cluster=_cluster(answer.get("tags")),
        warnings=tuple(_warnings(answer.get("warnings"))),
        steps=() if _is_pipeline(answer) else None,
    )


def read_children(
    connection: Connection, job_name: str, *, brief: bool = False
) -> Iterator[dict[str, Any]]:
    """Give run history's documents of the children of a job: trials or steps.

    Args:
        connection: The workspace.
        job_name: The job.
        brief: Make one attempt with short timeouts, for who asks again anyway.

    Raises:
        WorkspaceError: They could not be read.
    """
    url = f"{connection.api}/history/v1.0{connection.ref.arm_id}/runs/{job_name}/children"
    query: dict[str, Any] = {}
    while True:
        page = connection.json(
            "GET", url, query=query, doing=f"reading the children of '{job_name}'", brief=brief
        )
        yield from page.get("value") or []
        token = page.get("continuationToken")
        if not token:
            return
        query = {"$continuationtoken": token}


def _is_pipeline(answer: Mapping[str, Any]) -> bool:
    return bool((answer.get("runTypeV2") or {}).get("orchestrator") == "Pipeline")


def _cluster(tags: Any) -> Mapping[str, Any]:
    """Read the tag in which the service tells a waiting job's cluster, a JSON text."""
    try:
        state = json.loads((tags or {}).get(_CLUSTER_TAG) or "{}")
    except (TypeError, ValueError):
        return EMPTY
    return MappingProxyType(state) if isinstance(state, dict) else EMPTY


def _warnings(warnings: Any) -> Iterator[str]:
    for warning in warnings or []:
        text = warning.get("message") if isinstance(warning, dict) else warning
        if text:
            yield without_secrets(str(text))


def error_text(envelope: Any) -> str | None:
    """Give the code and message of a run's error; None of none.

    Args:
        envelope: Run history's `error` of a run.
    """
    error = (envelope or {}).get("error") or {}
    message = error.get("message")
    if not message:
        return None
    code = error.get("code")
    return without_secrets(f"{code}: {message}" if code else str(message))
