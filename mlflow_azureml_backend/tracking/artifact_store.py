"""The folders that artifacts are mirrored to, of a run or of a logged model."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mlflow.entities import FileInfo
    from mlflow.tracking import MlflowClient


class ArtifactStoreError(TrackingError):
    """The artifacts of the user's run cannot be read or written; its store itself answers."""


class ArtifactStore(Protocol):
    """Where artifacts go."""

    def list(self, folder: str) -> Sequence[FileInfo]:
        """List what is directly in a folder; nothing of one that is not there."""

    def upload(self, folder: Path) -> None:
        """Store all that is below a folder of this machine."""


class RunArtifacts:
    """The artifacts of a run.

    Args:
        client: MLflow's client of its store.
        run_id: The run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def list(self, folder: str) -> Sequence[FileInfo]:
        """List what is directly in a folder; nothing of one that is not there."""
        with _refusals(f"of MLflow run '{self._run_id}'"):
            return list(self._client.list_artifacts(self._run_id, folder or None))

    def upload(self, folder: Path) -> None:
        """Store all that is below a folder of this machine."""
        with _refusals(f"of MLflow run '{self._run_id}'"):
            self._client.log_artifacts(self._run_id, str(folder))


class ModelArtifacts:
    """The artifacts of a logged model, which MLflow has since version 3.

    Args:
        client: MLflow's client of its store.
        model_id: The model.
    """

    def __init__(self, client: MlflowClient, model_id: str) -> None:
        self._client = client
        self._model_id = model_id

    def list(self, folder: str) -> Sequence[FileInfo]:
        """List what is directly in a folder; nothing of one that is not there."""
        with _refusals(f"of logged model '{self._model_id}'"):
            return list(self._client.list_logged_model_artifacts(self._model_id, folder or None))

    def upload(self, folder: Path) -> None:
        """Store all that is below a folder of this machine."""
        with _refusals(f"of logged model '{self._model_id}'"):
            self._client.log_model_artifacts(self._model_id, str(folder))


@contextmanager
def _refusals(of: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each kind of artifact store has its own errors
        raise ArtifactStoreError(
            f"The artifacts {of} cannot be stored: {str(error) or type(error).__name__}"
        ) from error
