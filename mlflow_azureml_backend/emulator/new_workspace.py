"""What a workspace has from its first moment on: computes, datastores and their containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.routes.workspaces import seed_workspace
from mlflow_azureml_backend.emulator.run_artifacts import ARTIFACT_CONTAINER

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State


def open_workspace(state: State, blobs: BlobStore, key: WorkspaceKey) -> bool:
    """Create a workspace; False when it is already there.

    Args:
        state: where its documents are kept.
        blobs: where its storage account is.
        key: how it is named.
    """
    if state.list("workspace", key.storage_key):
        return False
    for container in (ARTIFACT_CONTAINER, key.blob_container):
        blobs.create_container(key.storage_account, container)
    seed_workspace(state, key)
    return True
