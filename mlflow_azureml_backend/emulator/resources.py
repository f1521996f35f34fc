"""ARM resources: how a workspace is named, and the envelope every resource comes back in."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlflow_azureml_backend.emulator.state import Document

PROVIDER: Final = "Microsoft.MachineLearningServices"

_GUID_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceKey:
    """Name one workspace as ARM does: the spelling is kept, comparison ignores case.

    Args:
        subscription_id: the subscription's GUID.
        resource_group: the resource group's name.
        name: the workspace's name.
    """

    subscription_id: str = field(compare=False)
    resource_group: str = field(compare=False)
    name: str = field(compare=False)
    storage_key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage_key", self.arm_id.lower())

    @property
    def arm_id(self) -> str:
        """Give the resource id, in the spelling the key was made with."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.name}"
        )

    @property
    def guid(self) -> str:
        """Give the workspace's immutable id: the same GUID for the same name, always."""
        return str(uuid.uuid5(_GUID_NAMESPACE, self.storage_key))

    @property
    def storage_account(self) -> str:
        """Name the storage account: 18 characters, as short and plain as Azure requires."""
        return "em" + hashlib.sha256(self.guid.encode()).hexdigest()[:16]

    @property
    def blob_container(self) -> str:
        """Name the container behind the default datastore `workspaceblobstore`."""
        return f"azureml-blobstore-{self.guid}"


EMULATOR_WORKSPACE: Final = WorkspaceKey(
    subscription_id="00000000-0000-0000-0000-000000000000",
    resource_group="emulator",
    name="emulator",
)
"""The workspace every emulator has from its start."""

USER: Final = "Emulator"
"""The display name of whoever creates things in an emulator: it has one user."""


def timestamp(moment: datetime) -> str:
    """Write a moment as Azure ML does, for example `2023-04-24T03:13:40.997923+00:00`."""
    return moment.isoformat()


def filled(shape: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what a client gave over the shape the service answers with.

    A null that the client wrote means the same as a field left out: the service's default.

    Args:
        shape: every field of the answer, in its order, with the service's defaults.
        given: the client's fields; the ones that are not in the shape are kept too.
    """
    return {
        **shape,
        **{name: value for name, value in given.items() if value is not None or name not in shape},
    }


def as_texts(given: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Take tags or properties as the service does: every value is a text, or null.

    Args:
        given: what a client sent; azure-ai-ml sends some numbers.
    """
    return {name: value if value is None else str(value) for name, value in (given or {}).items()}


def system_data(
    document: Document, *, modified_by: bool = True, by: str = "User"
) -> dict[str, Any]:
    """Build the `systemData` of a resource.

    Args:
        document: the stored document, which knows when it was made and changed.
        modified_by: also say who changed it; data assets do not.
        by: what kind of principal made it: `User`, or `Application` for what the service made.
    """
    data = {
        "createdAt": timestamp(document.created),
        "createdBy": USER,
        "createdByType": by,
        "lastModifiedAt": timestamp(document.modified),
    }
    if modified_by:
        data |= {"lastModifiedBy": USER, "lastModifiedByType": by}
    return data


def resource(
    key: WorkspaceKey,
    path: str,
    properties: Mapping[str, Any],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Build the envelope of a resource below a workspace.

    Args:
        key: the workspace.
        path: the resource below it, for example `environments/sklearn/versions/3`. Its last
            segment is the name, every other one the type.
        properties: the resource's own fields.
        data: its `systemData`.
    """
    segments = path.split("/")
    return {
        "id": f"{key.arm_id}/{path}",
        "name": segments[-1],
        "type": "/".join((PROVIDER, "workspaces", *segments[::2])),
        "properties": dict(properties),
        "systemData": dict(data),
    }
