"""Run history's documents: what it tells of the run of a job."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.job_outputs import input_assets, output_assets
from mlflow_azureml_backend.emulator.resources import USER, timestamp
from mlflow_azureml_backend.emulator.run_kind import compute_of, parameters_of, run_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import Document

_RUNS: Final = uuid.UUID("0a4a5a7b-7d0e-5d43-9d8c-0a3c41d3be1c")


def run_details(
    key: WorkspaceKey,
    job: Document,
    run: Mapping[str, Any],
    *,
    tenant: str,
    region: str,
    log_files: Mapping[str, str],
) -> dict[str, Any]:
    """Build the answer of `runs/{id}/details`, which clients follow a job with.

    Args:
        key: the workspace.
        job: the job.
        run: the run as the engine keeps it.
        tenant: the tenant of whoever submitted the job.
        region: the workspace's region.
        log_files: URLs of the logs by their paths.
    """
    return {
        **_identity(key, job, run.get("parentRunId")),
        **_course(job, run, region),
        "createdTimeUtc": timestamp(job.created),
        "inputDatasets": [],
        "outputDatasets": [],
        "logFiles": dict(log_files),
        "jobCost": {
            "chargedCpuCoreSeconds": None,
            "chargedCpuMemoryMegabyteSeconds": None,
            "chargedGpuSeconds": None,
            "chargedNodeUtilizationSeconds": None,
        },
        **_description(job),
        **_people(tenant),
        "lastModifiedUtc": timestamp(job.modified),
        "inputs": input_assets(key, job, region),
        "outputs": output_assets(key, job, run, region),
        "currentAttemptId": 1,
    }


def run_metadata(
    key: WorkspaceKey, job: Document, run: Mapping[str, Any], *, tenant: str, region: str
) -> dict[str, Any]:
    """Build the answer of `runs/{id}`, which is also the `runMetadata` of `rundata`.

    Args:
        key: the workspace.
        job: the job.
        run: the run as the engine keeps it.
        tenant: the tenant of whoever submitted the job.
        region: the workspace's region.
    """
    return {
        **_identity(key, job, run.get("parentRunId")),
        **_course(job, run, region),
        **_description(job),
        **_people(tenant),
        "createdUtc": timestamp(job.created),
        "lastModifiedUtc": timestamp(job.modified),
        "token": None,
        "tokenExpiryTimeUtc": None,
        "cancelationReason": None,
        "currentAttemptId": 1,
        "experimentId": run.get("experimentId"),
        "scheduleId": None,
        "displayName": job.body["displayName"],
        "name": None,
        "description": job.body["description"],
        "hidden": job.body["isArchived"],
        "runType": run_kind(job).run_type,
        "actionUris": {},
        "scriptName": None,
        "uniqueChildRunComputeTargets": [],
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": None,
        "jobSpecification": None,
        "primaryMetricName": None,
        "createdFrom": None,
        "cancelUri": None,
        "completeUri": None,
        "diagnosticsUri": None,
        "retainForLifetimeOfWorkspace": False,
        "queueingInfo": None,
        "inputs": input_assets(key, job, region),
        "outputs": output_assets(key, job, run, region),
    }


def _identity(key: WorkspaceKey, job: Document, parent: str | None) -> dict[str, Any]:
    def run_uuid(name: str) -> str:
        return str(uuid.uuid5(_RUNS, f"{key.guid}/{name}"))

    return {
        "runId": job.name,
        "runUuid": run_uuid(job.name),
        "rootRunId": parent or job.name,
        "rootRunUuid": run_uuid(parent or job.name),
        "parentRunId": parent,
        "parentRunUuid": parent and run_uuid(parent),
        "runNumber": int(job.created.timestamp()),
        "dataContainerId": f"dcid.{job.name}",
    }


def _course(job: Document, run: Mapping[str, Any], region: str) -> dict[str, Any]:
    ended = run.get("endTimeUtc")
    duration = _duration(run.get("startTimeUtc"), ended)
    error = run.get("error")
    if error:
        error = error_envelope(error, region=region, time=ended, component="CommonRuntime")
    return {
        # One source for the status: what a client reads here and on the job never differs.
        "status": job.body["status"],
        "startTimeUtc": run.get("startTimeUtc"),
        "endTimeUtc": ended,
        "error": error or None,
        "warnings": run.get("warnings") or None,
        "revision": 1,
        "statusRevision": 1,
        "duration": duration,
        "computeDuration": duration,
        "currentComputeTime": None,
        "effectiveStartTimeUtc": None,
        "lastStartTimeUtc": None,
    }


def _description(job: Document) -> dict[str, Any]:
    kind = run_kind(job)
    return {
        "tags": job.body["tags"],
        "properties": job.body["properties"],
        "parameters": parameters_of(job),
        "services": {},
        "settings": {},
        "runTypeV2": {
            "orchestrator": kind.orchestrator,
            "traits": list(kind.traits),
            "attribution": kind.attribution,
            "computeType": None if job.body["jobType"] == "Pipeline" else "AmlcTrain",
        },
        **compute_of(job),
    }


def _people(tenant: str) -> dict[str, Any]:
    user = {
        "userObjectId": USER,
        "userPuId": USER,
        "userIdp": None,
        "userAltSecId": None,
        "userIss": f"https://sts.windows.net/{tenant}/",
        "userTenantId": tenant,
        "userName": USER,
        "upn": None,
    }
    return {"createdBy": user, "lastModifiedBy": user, "userId": USER}


def error_envelope(
    error: Mapping[str, Any], *, region: str, time: str | None, component: str
) -> dict[str, Any]:
    """Wrap an error as the services behind the regional host do.

    Args:
        error: at least its `code` and its `message`.
        region: the workspace's region.
        time: when it happened.
        component: the service that tells of it.
    """
    return {
        "error": {
            "code": None,
            "severity": None,
            "message": None,
            "messageFormat": None,
            "messageParameters": None,
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": [],
            "innerError": None,
            "debugInfo": None,
            "additionalInfo": None,
            **error,
        },
        "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
        "environment": region,
        "location": region,
        "time": time,
        "componentName": component,
    }


def _duration(start: str | None, end: str | None) -> str | None:
    """Write the time between two moments as .NET does, for example `00:04:42.206072`."""
    if start is None or end is None:
        return None
    taken = max(datetime.fromisoformat(end) - datetime.fromisoformat(start), timedelta())
    seconds, fraction = divmod(taken.total_seconds(), 1)
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{int(fraction * 1_000_000):06}"
