"""Inputs that only this machine can read: artifacts of MLflow stores and foreign storage."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.data_uri import Place, place_of
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.local_data import checked_type
from mlflow_azureml_backend.sizes import shown_size
from mlflow_azureml_backend.tracking.choice import is_workspace_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.data_spec import InputSpec
    from mlflow_azureml_backend.job import JobSpec, WorkspaceRef

# What MLflow needs to read a scheme, and does not bring along.
_PACKAGES = {
    "s3": "boto3",
    "r2": "boto3",
    "b2": "boto3",
    "gs": "google-cloud-storage",
    "hdfs": "pyarrow",
    "viewfs": "pyarrow",
    "sftp": "pysftp",
}


class FetchedData:
    """A job whose inputs are on this machine now, or where Azure ML reads them.

    Args:
        spec: The job.
        folder: Holds what was fetched; removed with this object, or None.
    """

    def __init__(self, spec: JobSpec, folder: Path | None) -> None:
        self.spec = spec
        self._removal = folder and weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def remove(self) -> None:
        """Remove what was fetched, once it is uploaded."""
        if self._removal:
            self._removal()


def fetch_data(
    spec: JobSpec,
    *,
    tracking_uri: str,
    workspace: WorkspaceRef,
    storage_dir: str | None,
    limit: int,
    note: Callable[[str], None],
) -> FetchedData:
    """Fetch the inputs that Azure ML cannot read itself.

    What lies in the workspace's own MLflow store is not fetched: the job reads it there.

    Args:
        spec: The job.
        tracking_uri: MLflow's tracking URI, which `runs:/` and `models:/` belong to.
        workspace: Where the job will run.
        storage_dir: Folder to fetch to, where it stays; None for a temporary one.
        limit: Size in bytes that one input may have.
        note: Told what is fetched.

    Raises:
        ProjectError: Something does not exist, is too large or cannot be read; nothing was
            created.
    """
    inputs = dict(spec.inputs)
    if is_workspace_store(tracking_uri, workspace):
        inputs = {name: _in_workspace(name, given, workspace) for name, given in inputs.items()}
    wanted = {
        name: given
        for name, given in inputs.items()
        if given.path is not None and place_of(given.path) is Place.FETCHED
    }
    if not wanted:
        return FetchedData(replace(spec, inputs=MappingProxyType(inputs)), None)
    if storage_dir is not None:
        Path(storage_dir).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mlflow-azureml-", dir=storage_dir))
    fetched = FetchedData(spec, None if storage_dir else folder)
    for name, given in wanted.items():
        path = fetch_to(folder / name, str(given.path), name=name, limit=limit, note=note)
        inputs[name] = replace(given, path=str(path), type=checked_type(name, path, given.type))
    fetched.spec = replace(spec, inputs=MappingProxyType(inputs))
    return fetched


def _in_workspace(name: str, given: InputSpec, workspace: WorkspaceRef) -> InputSpec:
    """Name an artifact or a model of the workspace's own store as Azure ML does."""
    scheme, _, rest = (given.path or "").partition(":")
    parts = rest.strip("/").split("/")
    if scheme == "runs" and len(parts) > 1:
        is_file = not _entry(name, str(given.path)).is_dir
        path = "/".join(parts[1:])
        return replace(
            given,
            type=given.type or ("uri_file" if is_file else "uri_folder"),
            path=f"azureml://jobs/{parts[0]}/outputs/artifacts/paths/{path}",
        )
    if scheme == "models" and len(parts) == 2 and (parts[1].isdigit() or parts[1] == "latest"):  # noqa: PLR2004  # name and version
        version = "labels/latest" if parts[1] == "latest" else f"versions/{parts[1]}"
        return replace(given, path=f"azureml:{workspace.arm_id}/models/{parts[0]}/{version}")
    return given


def fetch_to(folder: Path, uri: str, *, name: str, limit: int, note: Callable[[str], None]) -> Path:
    """Bring what MLflow can read to a folder.

    Args:
        folder: Is made for it.
        uri: What to fetch.
        name: Of the parameter or input, for messages.
        limit: Size in bytes that it may have.
        note: Told what is fetched.

    Raises:
        ProjectError: It does not exist, is too large or cannot be read.
    """
    from mlflow.artifacts import download_artifacts

    known = _size(name, uri)
    _check_size(name, uri, known, limit)
    note(f"Fetching     {uri}{f' ({shown_size(known)})' if known else ''}")
    folder.mkdir()
    try:
        path = Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except Exception as error:
        # Every store has errors of its own, and a user one question.
        raise _unreadable(name, uri, error) from error
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    if not files:
        raise ProjectError(f"'{name}': there is nothing at {uri}.")
    # Not every store tells sizes beforehand.
    _check_size(name, uri, sum(file.stat().st_size for file in files), limit)
    return path


def _entry(name: str, uri: str) -> Any:
    """Find a file or folder of a run where it is listed: alone, a file is not."""
    parent, _, last = uri.rstrip("/").rpartition("/")
    for found in _listed(name, parent):
        if _last(found.path) == last:
            return found
    raise ProjectError(f"'{name}': there is nothing at {uri}.")


def _size(name: str, uri: str) -> int:
    """Add up the sizes that a store tells; 0 where it tells none."""
    folders, size = [uri.rstrip("/")], 0
    while folders:
        folder = folders.pop()
        for found in _listed(name, folder):
            if found.is_dir:
                folders.append(f"{folder}/{_last(found.path)}")
            size += int(found.file_size or 0)
    if not size and uri.startswith("runs:"):
        size = int(_entry(name, uri).file_size or 0)
    return size


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _listed(name: str, uri: str) -> list[Any]:
    from mlflow.artifacts import list_artifacts
    from mlflow.tracking import MlflowClient

    try:
        if uri.startswith("runs:"):
            # By its URI alone MLflow does not list a run's own folder.
            run_id, _, path = uri.removeprefix("runs:").strip("/").partition("/")
            return list(MlflowClient().list_artifacts(run_id, path or None))
        return list(list_artifacts(artifact_uri=uri))
    except Exception as error:
        raise _unreadable(name, uri, error) from error


def _check_size(name: str, uri: str, size: int, limit: int) -> None:
    if size > limit:
        raise ProjectError(
            f"'{name}': {uri} has {shown_size(size)}, and {shown_size(limit)} are fetched at most. "
            "Put it where Azure ML reads it and give its azureml:// URI, or raise "
            "`max_input_size` in the backend config."
        )


def _unreadable(name: str, uri: str, error: Exception) -> ProjectError:
    scheme = uri.partition(":")[0]
    reason = " ".join(str(getattr(error, "message", "") or error).split()) or type(error).__name__
    advice = ""
    if isinstance(error, ImportError):
        package = _PACKAGES.get(scheme)
        advice = f" This machine needs what reads {scheme}: URIs"
        advice += f": pip install {package}." if package else "."
    return ProjectError(f"'{name}': {uri} cannot be fetched: {reason[:400].rstrip('.')}.{advice}")
