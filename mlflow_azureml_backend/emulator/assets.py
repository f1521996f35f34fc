"""Versioned assets: environments, data, models and code follow one pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.field_checks import check_fields
from mlflow_azureml_backend.emulator.resources import (
    as_texts,
    filled,
    resource,
    system_data,
    timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.errors import ServiceError
    from mlflow_azureml_backend.emulator.field_checks import Kind
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import Document, State

_CONTAINER_SHAPE: Final = {
    "description": None,
    "tags": None,
    "properties": None,
    "isArchived": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetKind:
    """Say in which ways one kind of asset differs from the others.

    Args:
        kind: the kind of its documents in the state.
        segment: its name in paths and resource types.
        fields: what the properties a client sends have to be.
        shape: the properties of a version, with the service's defaults.
        accept: turns the properties a client sent into the ones to store.
        missing_version: the 404 for a name and a version.
        missing_container: the 404 for a name.
        fixed: properties that cannot change once a version exists.
        changed: the refusal of such a change, for a name and a version.
        inherited: properties that a container shows of its latest version.
        modified_by: `systemData` says who changed a version.
        always_created: every PUT of a version answers 201, also of one that exists.
        lists_unknown: the versions of an unknown name are an empty list, not a 404.
    """

    kind: str
    segment: str
    fields: Kind
    shape: Mapping[str, Any]
    accept: Callable[[WorkspaceKey, Mapping[str, Any]], dict[str, Any]]
    missing_version: Callable[[str, str], ServiceError]
    missing_container: Callable[[str], ServiceError]
    fixed: tuple[str, ...] = ()
    changed: Callable[[str, str], ServiceError] | None = None
    inherited: tuple[str, ...] = ()
    modified_by: bool = True
    always_created: bool = False
    lists_unknown: bool = False

    @property
    def container_kind(self) -> str:
        """Name the kind of the documents that hold what containers themselves were given."""
        return f"{self.kind}-container"

    def put_version(
        self, state: State, key: WorkspaceKey, name: str, version: str, sent: Mapping[str, Any]
    ) -> tuple[Document, bool]:
        """Store a version.

        Returns:
            The document, and whether it is new.

        Raises:
            ServiceError: the properties cannot be right, or the version exists and something
                fixed would change.
        """
        check_fields(sent, self.fields)
        texts = {field: as_texts(sent.get(field)) for field in ("tags", "properties")}
        properties = filled(self.shape, self.accept(key, {**sent, **texts}))
        known = state.get(self.kind, key.storage_key, name, version)
        if (
            self.changed is not None
            and known is not None
            and any(known.body.get(field) != properties.get(field) for field in self.fixed)
        ):
            raise self.changed(name, version)
        created = state.put(self.kind, key.storage_key, name, version, properties)
        return self.version(state, key, name, version), created

    def version(self, state: State, key: WorkspaceKey, name: str, version: str) -> Document:
        """Give a version.

        Raises:
            ServiceError: 404 when it does not exist.
        """
        found = state.get(self.kind, key.storage_key, name, version)
        if found is None:
            raise self.missing_version(name, version)
        return found

    def latest(self, state: State, key: WorkspaceKey, name: str) -> Document:
        """Give the version that was created last, as the label `latest` does.

        Raises:
            ServiceError: 404 when there is none.
        """
        versions = state.list(self.kind, key.storage_key, name)
        if not versions:
            raise self.missing_container(name)
        return versions[0]

    def next_version(self, state: State, key: WorkspaceKey, name: str) -> str:
        """Give the version after the highest number among a name's versions, beginning with 1."""
        versions = state.list(self.kind, key.storage_key, name)
        numbers = [int(known.version) for known in versions if known.version.isdecimal()]
        return str(max(numbers, default=0) + 1)

    def container(self, state: State, key: WorkspaceKey, name: str) -> dict[str, Any]:
        """Build the container resource that holds all versions of a name.

        Raises:
            ServiceError: 404 when there is none.
        """
        versions = state.list(self.kind, key.storage_key, name)
        own = state.get(self.container_kind, key.storage_key, name)
        members = versions or [document for document in (own,) if document is not None]
        if not members:
            raise self.missing_container(name)
        properties = filled(_CONTAINER_SHAPE, own.body if own else {})
        properties["latestVersion"] = versions[0].version if versions else None
        properties["nextVersion"] = self.next_version(state, key, name)
        if versions:
            properties |= {field: versions[0].body.get(field) for field in self.inherited}
        data = system_data(members[-1], modified_by=self.modified_by)
        data["lastModifiedAt"] = timestamp(members[0].modified)
        return resource(key, f"{self.segment}/{name}", properties, data)

    def rendered(self, key: WorkspaceKey, document: Document) -> dict[str, Any]:
        """Build the resource of a version."""
        return resource(
            key,
            f"{self.segment}/{document.name}/versions/{document.version}",
            document.body,
            system_data(document, modified_by=self.modified_by),
        )


def is_listed(properties: Mapping[str, Any], view: str | None) -> bool:
    """Tell whether a resource belongs to the view a client asked for.

    Args:
        properties: its properties.
        view: `ActiveOnly` (also None), `ArchivedOnly` or `All`, in any case.
    """
    wanted = (view or "ActiveOnly").lower()
    return wanted == "all" or bool(properties.get("isArchived")) == (wanted == "archivedonly")
