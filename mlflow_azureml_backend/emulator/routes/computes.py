"""Computes: the clusters that jobs name. Their nodes are there when a job runs on them."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import Kind, check_fields, invalid
from mlflow_azureml_backend.emulator.resources import filled, resource, timestamp
from mlflow_azureml_backend.emulator.routes.management import (
    LOCATION,
    managed,
    page,
    regional_url,
    sent_properties,
)
from mlflow_azureml_backend.emulator.routing import Route, json_response

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import Document, State

DEFAULT_COMPUTE: Final = "cpu-cluster"
"""The cluster every new workspace has."""

_KIND: Final = "compute"
_OPERATION: Final = "operation"
_NODE_STATES: Final = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
_NO_NODES: Final = {f"{state}NodeCount": 0 for state in _NODE_STATES}
_CLUSTER: Final = {
    "vmSize": "STANDARD_DS3_V2",
    "vmPriority": "Dedicated",
    "scaleSettings": {
        "maxNodeCount": 4,
        "minNodeCount": 0,
        "nodeIdleTimeBeforeScaleDown": "PT2M",
    },
    "subnet": None,
    "currentNodeCount": 0,
    "targetNodeCount": 0,
    "nodeStateCounts": _NO_NODES,
    "allocationState": "Steady",
    "allocationStateTransitionTime": None,
    "errors": None,
    "remoteLoginPortPublicAccess": "Disabled",
    "osType": "Linux",
    "virtualMachineImage": None,
    "isolatedNetwork": False,
    "enableNodePublicIp": True,
    "enableBatchPrivateLink": False,
    "propertyBag": {},
}
_FIELDS: Final[Kind] = {
    "location": str,
    "tags": dict,
    "properties": {
        "computeType": str,
        "description": str,
        "properties": {
            "vmSize": str,
            "scaleSettings": {"maxNodeCount": int, "minNodeCount": int},
            "userAccountCredentials": dict,
        },
    },
}
# What an answer to a PUT does not know yet.
_NOT_YET: Final = ("currentNodeCount", "targetNodeCount", "nodeStateCounts", "allocationState")


def seed_computes(state: State, key: WorkspaceKey) -> None:
    """Give a new workspace its default cluster."""
    body = {"location": None, "tags": {}, "description": None, "properties": _CLUSTER}
    state.put(_KIND, key.storage_key, DEFAULT_COMPUTE, "", body)


def compute_exists(state: State, key: WorkspaceKey, compute_id: str) -> bool:
    """Tell whether a job's compute exists in its own workspace.

    Args:
        state: the documents.
        key: the workspace.
        compute_id: the ARM id a job names.
    """
    prefix, _, name = compute_id.rpartition("/")
    if prefix.lower() != f"{key.storage_key}/computes":
        return False
    return state.get(_KIND, key.storage_key, name) is not None


def compute_not_found() -> ServiceError:
    """Build the 404 for a compute: the service answers it with no body at all."""
    return ServiceError(404, "NotFound", "The compute was not found.", empty=True)


def _list(call: Call) -> Response:
    key = call.workspace
    documents = call.emulation.state.list(_KIND, key.storage_key)
    return page(call, documents, partial(_rendered, call, key))


def _get(call: Call) -> Response:
    key = call.workspace
    return json_response(_rendered(call, key, _found(call, key)))


def _put(call: Call) -> Response:
    """Create or change a cluster; 201 with the operation that does it, for both.

    Raises:
        ServiceError: 400 for kinds of compute that are not emulated.
    """
    key, name, sent = call.workspace, call.params["name"], sent_properties(call)
    whole = call.json()
    check_fields(whole, _FIELDS, "compute")
    if sent.get("computeType") != "AmlCompute":
        raise invalid(
            f"Compute type {sent.get('computeType')} is not supported by the emulator, "
            "only AmlCompute is."
        )
    cluster = filled(_CLUSTER, sent.get("properties") or {})
    cluster["vmSize"] = str(cluster["vmSize"]).upper()
    if account := cluster.get("userAccountCredentials"):
        cluster["userAccountCredentials"] = {**account, "adminUserPassword": None}
    body = {
        "location": whole.get("location") or call.emulation.settings.region,
        "tags": whole.get("tags"),
        "description": sent.get("description"),
        "properties": cluster,
    }
    state = call.emulation.state
    created = state.put(_KIND, key.storage_key, name, "", body)
    answer = _rendered(call, key, _found(call, key))
    answer["tags"] = body["tags"]
    answer["properties"]["provisioningState"] = "Creating"
    if not created:
        answer["tags"] = body["tags"] or {}
        answer["properties"]["resourceId"] = _cluster_behind(key, name)
    answer["properties"]["properties"] |= dict.fromkeys(_NOT_YET)
    answer["properties"]["properties"].pop("userAccountCredentials", None)
    return json_response(answer, 201, _started(call))


def _delete(call: Call) -> Response:
    key = call.workspace
    document = _found(call, key)
    call.emulation.state.delete(_KIND, key.storage_key, document.name)
    return Response(status_code=202, headers=_started(call))


def _started(call: Call) -> dict[str, str]:
    """Begin an operation, and give the header that says where to ask for it."""
    operation = str(uuid.uuid4())
    call.emulation.state.put(_OPERATION, _scope(call), operation, "", {"asked": 0})
    url = regional_url(call, f"computeOperationsStatus/{operation}")
    return {"Azure-AsyncOperation": f"{url}&service=new", "Retry-After": "1"}


def _operation_status(call: Call) -> Response:
    """Answer `InProgress` to the first question and `Succeeded` to all others, as recorded."""
    try:
        document = call.emulation.state.update(
            _OPERATION,
            _scope(call),
            call.params["operation"],
            "",
            lambda body: {"asked": body["asked"] + 1},
        )
    except KeyError:
        raise ServiceError(404, "NotFound", "The operation was not found.") from None
    if document.body["asked"] == 1:
        return json_response({"status": "InProgress"}, headers={"Retry-After": "1"})
    return json_response({"status": "Succeeded", "percentComplete": 100.0})


def _cluster_behind(key: WorkspaceKey, name: str) -> str:
    """Name the resource behind a cluster, which the service tells when it changes one."""
    return (
        f"/subscriptions/{key.subscription_id}/resourceGroups/{key.resource_group}"
        f"/providers/Microsoft.BatchAI/workspaces/{key.name}/clusters/{name}"
    )


def _scope(call: Call) -> str:
    return f"/subscriptions/{call.params['subscription']}".lower()


def _found(call: Call, key: WorkspaceKey) -> Document:
    document = call.emulation.state.get(_KIND, key.storage_key, call.params["name"])
    if document is None:
        raise compute_not_found()
    return document


def _rendered(call: Call, key: WorkspaceKey, document: Document) -> dict[str, Any]:
    body = document.body
    cluster = dict(body["properties"])
    cluster["allocationStateTransitionTime"] = timestamp(document.modified)
    busy = call.emulation.jobs.busy_nodes(key, document.name)
    cluster["currentNodeCount"] = cluster["targetNodeCount"] = busy
    cluster["nodeStateCounts"] = {**_NO_NODES, "runningNodeCount": busy}
    answer = resource(key, f"computes/{document.name}", {}, {})
    # Computes have a location and tags, and no systemData.
    del answer["properties"], answer["systemData"]
    region = body["location"] or call.emulation.settings.region
    return {
        **answer,
        "location": region,
        "tags": body["tags"] or {},
        "properties": {
            "createdOn": timestamp(document.created),
            "modifiedOn": timestamp(document.modified),
            "disableLocalAuth": False,
            "description": body["description"],
            "resourceId": None,
            "computeType": "AmlCompute",
            "computeLocation": region,
            "provisioningState": "Succeeded",
            "provisioningErrors": None,
            "isAttachedCompute": False,
            "properties": cluster,
        },
    }


ROUTES: Final = (
    *managed("GET", "/computes", _list),
    *managed("GET", "/computes/{name}", _get),
    *managed("PUT", "/computes/{name}", _put),
    *managed("DELETE", "/computes/{name}", _delete),
    Route(
        service="arm",
        method="GET",
        path=f"{LOCATION}/computeOperationsStatus/{{operation}}",
        handle=_operation_status,
    ),
)
