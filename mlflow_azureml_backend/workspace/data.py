"""A job's inputs, uploaded before the job is created, and its data as azure-ai-ml takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.data_uri import Place, place_of
from mlflow_azureml_backend.project.data_files import list_data_files
from mlflow_azureml_backend.workspace.changed_file import reading
from mlflow_azureml_backend.workspace.digest_cache import DigestCache
from mlflow_azureml_backend.workspace.uploads import (
    DATASTORE,
    open_for_uploads,
    upload_files,
)

if TYPE_CHECKING:
    from mlflow_azureml_backend.data_spec import InputSpec
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.transfer import Transfer
    from mlflow_azureml_backend.workspace.connection import Connection


def upload_inputs(connection: Connection, spec: JobSpec, transfer: Transfer) -> JobSpec:
    """Put the inputs of this machine into the workspace's storage.

    Args:
        connection: The workspace.
        spec: The job.
        transfer: Shows what is uploaded.

    Returns:
        The job, whose inputs are all where it can read them.

    Raises:
        ProjectError: A file cannot be read any more.
        WorkspaceError: The service refused, or could not be reached.
    """
    uploaded = {
        name: _uploaded(connection, name, given, transfer) if _is_local(given) else given
        for name, given in spec.inputs.items()
    }
    return replace(spec, inputs=MappingProxyType(uploaded))


def begin_inputs(connection: Connection, spec: JobSpec) -> None:
    """Open the workspace's storage, if the job has inputs that are to go there.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    if any(_is_local(given) for given in spec.inputs.values()):
        open_for_uploads(connection, doing="opening the workspace's storage")


def _is_local(given: InputSpec) -> bool:
    return given.path is not None and place_of(given.path) is Place.LOCAL


def _uploaded(connection: Connection, name: str, given: InputSpec, transfer: Transfer) -> InputSpec:
    path = Path(given.path or "")
    files = list_data_files(path)
    size = 0
    for file in files:
        with reading(file.path):
            size += file.path.stat().st_size
    with transfer.shown(f"Uploading {path.name}", size, files=len(files)) as advance:
        place = upload_files(
            connection,
            files,
            path.name if path.is_dir() else ".",
            doing=f"uploading the input '{name}'",
            advance=advance,
            cache=DigestCache(path),
        )
    # The long form, as azure-ai-ml writes it: a job shown in the studio links to its data.
    store = f"azureml:/{connection.ref.arm_id}/datastores/{DATASTORE}"
    store = store.replace("/providers/Microsoft.MachineLearningServices", "").replace(
        "/resourceGroups/", "/resourcegroups/"
    )
    last = "/" if path.is_dir() else f"/{files[0].name}"
    return replace(given, path=f"{store}/paths/{place.path}{last}")
