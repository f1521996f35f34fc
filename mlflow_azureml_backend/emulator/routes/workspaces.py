"""Workspaces: what they are, where their services are, and what a new one holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.resources import PROVIDER, USER, WorkspaceKey
from mlflow_azureml_backend.emulator.routes.computes import seed_computes
from mlflow_azureml_backend.emulator.routes.datastores import seed_datastores
from mlflow_azureml_backend.emulator.routes.management import managed, page
from mlflow_azureml_backend.emulator.routing import Route, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import Document, State

_KIND: Final = "workspace"
_SUBSCRIPTION: Final = "/subscriptions/{subscription}"
_GROUP: Final = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"


def seed_workspace(state: State, key: WorkspaceKey) -> None:
    """Create a workspace with all that a new one holds; do nothing when it exists.

    Args:
        state: where it is kept.
        key: how it is named.
    """
    if state.list(_KIND, key.storage_key):
        return
    seed_datastores(state, key)
    seed_computes(state, key)
    spelling = {
        "subscription_id": key.subscription_id,
        "resource_group": key.resource_group,
        "name": key.name,
    }
    # Kept where it is looked for: in its subscription, in its group and, last, by itself.
    where = {"subscription": key.subscription_id, "group": key.resource_group}
    for scope in (_SUBSCRIPTION, _GROUP):
        state.put(_KIND, scope.format_map(where).lower(), key.storage_key, "", spelling)
    state.put(_KIND, key.storage_key, key.storage_key, "", spelling)


def _get(call: Call) -> Response:
    key = call.workspace
    (document, *_) = call.emulation.state.list(_KIND, key.storage_key)
    return json_response(_rendered(call.emulation, document))


def _list(scope: str, call: Call) -> Response:
    documents = call.emulation.state.list(_KIND, scope.format_map(call.params).lower())
    return page(call, documents, partial(_rendered, call.emulation))


def _rendered(emulation: Emulation, document: Document) -> dict[str, Any]:
    key = WorkspaceKey(**document.body)
    region, tenant = emulation.settings.region, emulation.identity.tenant_id
    created = document.created.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    providers = (
        f"/subscriptions/{key.subscription_id}/resourceGroups/{key.resource_group}/providers"
    )
    compact = key.guid.replace("-", "")
    return {
        "id": key.arm_id,
        "name": key.name,
        "type": f"{PROVIDER}/workspaces",
        "location": region,
        "tags": {},
        "etag": None,
        "properties": {
            "friendlyName": key.name,
            "description": "",
            "storageAccount": (
                f"{providers}/Microsoft.Storage/storageAccounts/{key.storage_account}"
            ),
            "keyVault": f"{providers}/Microsoft.Keyvault/vaults/{key.storage_account}",
            "applicationInsights": (
                f"{providers}/Microsoft.insights/components/{key.storage_account}"
            ),
            "hbiWorkspace": False,
            "tenantId": tenant,
            "imageBuildCompute": None,
            "provisioningState": "Succeeded",
            "managedNetwork": {
                "changeableIsolationModes": [
                    "AllowInternetOutbound",
                    "AllowOnlyApprovedOutbound",
                ],
                "isolationMode": "Disabled",
            },
            "v1LegacyMode": False,
            "softDeleteEnabled": False,
            "containerRegistry": (f"{providers}/Microsoft.ContainerRegistry/registries/{compact}"),
            "creationTime": created,
            "notebookInfo": {
                "resourceId": compact,
                "fqdn": f"ml-{key.name}-{region}-{key.guid}.{region}.notebooks.azure.net",
                "isPrivateLinkEnabled": False,
                "notebookPreparationError": None,
            },
            "storageHnsEnabled": False,
            "workspaceId": key.guid,
            "linkedModelInventoryArmId": None,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"https://{region}.api.azureml.ms/discovery",
            "mlFlowTrackingUri": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{key.arm_id}",
            "sdkTelemetryAppInsightsKey": "00000000-0000-0000-0000-000000000000",
            "sasGetterUri": "",
            "enableDataIsolation": False,
            "azureOpenAI": {
                "provisioningState": "NotStarted",
                "resourceId": None,
                "endpoint": None,
                "proxyResourceId": None,
            },
        },
        "identity": {"type": "SystemAssigned", "principalId": key.guid, "tenantId": tenant},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "systemData": {
            "createdAt": created,
            "createdBy": USER,
            "createdByType": "User",
            "lastModifiedAt": created,
            "lastModifiedBy": USER,
            "lastModifiedByType": "User",
        },
    }


def _discovery(call: Call) -> Response:
    """Name the addresses of the regional services.

    The service names hosts of its own for some of them; here all are the regional host, the only
    one the emulator answers for, and the studio is the page that a browser can open.
    """
    api = f"https://{call.emulation.settings.region}.api.azureml.ms"
    regional = (
        "api",
        "experimentation",
        "history",
        "hyperdrive",
        "labeling",
        "modelmanagement",
        "pipelines",
        "quota-manager",
    )
    return json_response(
        {
            **dict.fromkeys(regional, api),
            "catalog": "https://catalog.cortanaanalytics.com",
            "gallery": "https://gallery.cortanaintelligence.com/project",
            "studio": call.emulation.address,
        }
    )


ROUTES: Final = (
    *managed("GET", "", _get),
    *(
        Route(
            service="arm",
            method="GET",
            path=f"{scope}/providers/{PROVIDER}/workspaces",
            handle=partial(_list, scope),
        )
        for scope in (_GROUP, _SUBSCRIPTION)
    ),
    Route(service="api", method="GET", path="/discovery", handle=_discovery, open=True),
)
