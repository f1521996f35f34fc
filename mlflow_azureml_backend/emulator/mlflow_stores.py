"""What the embedded MLflow server reads and writes: one workspace's database and its blobs."""

from __future__ import annotations

import math
import shutil
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from mlflow.entities import FileInfo, LifecycleStage, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from sqlalchemy import text
from sqlalchemy.orm import Session

from mlflow_azureml_backend.emulator.run_artifacts import (
    ARTIFACT_CONTAINER,
    ArtifactFolder,
    artifact_folder_of_uri,
)
from mlflow_azureml_backend.emulator.tracking import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as SqlAlchemyRegistry

    from mlflow_azureml_backend.emulator.blob_store import BlobInfo, BlobStore

CURRENT: Final[ContextVar[WorkspaceStores]] = ContextVar("CURRENT")
"""The stores of the workspace that the request at hand is about."""


class WorkspaceTracking(SqlAlchemyStore):
    """Keep the experiments and runs of one workspace, with artifacts where Azure ML has them.

    Experiment ids are MLflow's small integers, not the GUIDs of Azure ML: the column holds
    integers, and azureml-mlflow passes them on as they are.
    """

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Any = None
    ) -> Any:
        """Create an experiment; where its artifacts lie is for the workspace to say."""
        del artifact_location
        return super().create_experiment(name, None, tags)

    def create_logged_model(self, *args: Any, **kwargs: Any) -> Any:
        """Create a logged model (MLflow 3) with an artifact folder of its own."""
        model = super().create_logged_model(*args, **kwargs)
        # azureml-mlflow reads `…/runs/<id>` out of an artifact URI. MLflow's own choice,
        # `…/runs/models/<id>`, would put all models into one folder.
        location = f"{self._get_artifact_location(model.experiment_id)}/{model.model_id}/artifacts"
        with Session(self.engine) as session, session.begin():
            session.execute(
                text("UPDATE logged_models SET artifact_location = :at WHERE model_id = :id"),
                {"at": location, "id": model.model_id},
            )
        return self.get_logged_model(model.model_id)

    def create_job_run(
        self,
        *,
        run_id: str,
        experiment_name: str,
        run_name: str,
        start_time_ms: int,
        user: str,
        tags: Mapping[str, str],
    ) -> str:
        """Create a run under a chosen id, and give the experiment's id; see `Tracking`."""
        experiment_id = str(self._active_experiment(experiment_name).experiment_id)
        location = self._get_artifact_location(experiment_id)
        with Session(self.engine) as session, session.begin():
            known = session.get(SqlRun, run_id)
            if known is not None:
                return str(known.experiment_id)
            run = SqlRun(
                run_uuid=run_id,
                name=run_name,
                experiment_id=int(experiment_id),
                artifact_uri=f"{location}/{run_id}/artifacts",
                user_id=user,
                source_type="JOB",
                source_name=tags.get("mlflow.source.name", ""),
                entry_point_name="",
                source_version="",
                status=RunStatus.to_string(RunStatus.SCHEDULED),
                start_time=start_time_ms,
                end_time=None,
                deleted_time=None,
                lifecycle_stage=LifecycleStage.ACTIVE,
            )
            run.tags = [SqlTag(key=key, value=value) for key, value in tags.items()]
            session.add(run)
        return experiment_id

    def set_run_status(self, run_id: str, status: str, end_time_ms: int | None) -> None:
        """Set the status of a run, also of one that was deleted meanwhile."""
        with Session(self.engine) as session, session.begin():
            run = _existing(session, run_id)
            run.status = RunStatus.to_string(RunStatus.from_string(status))
            run.end_time = end_time_ms

    def set_run_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run, also of one that was deleted meanwhile."""
        with Session(self.engine) as session, session.begin():
            run = _existing(session, run_id)
            for key, value in tags.items():
                session.merge(SqlTag(run_uuid=run_id, key=key, value=value))
            # MLflow keeps a run's name in two places.
            run.name = tags.get(MLFLOW_RUN_NAME, run.name)

    def summary(self, run_id: str) -> RunSummary:
        """Tell what is known of a run; see `Tracking`."""
        with Session(self.engine) as session:
            _existing(session, run_id)
        run = self.get_run(run_id)
        return RunSummary(
            run_id=run_id,
            run_name=run.info.run_name or run_id,
            experiment_id=run.info.experiment_id,
            experiment_name=self.get_experiment(run.info.experiment_id).name,
            status=run.info.status,
            artifact_uri=run.info.artifact_uri,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=dict(run.data.tags),
        )

    def metric_values(self, run_id: str, name: str) -> tuple[float, ...]:
        """Give every number a run has logged of a metric; see `Tracking`."""
        with Session(self.engine) as session:
            _existing(session, run_id)
        points = sorted(
            self.get_metric_history(run_id, name), key=lambda point: (point.step, point.timestamp)
        )
        return tuple(point.value for point in points if math.isfinite(point.value))

    def _get_artifact_location(self, experiment_id: object) -> str:
        # MLflow makes an experiment's location with this, and a run's by adding its id.
        return f"{self.artifact_root_uri}/{experiment_id}/runs"

    def _get_trace_artifact_location_tag(self, *args: Any, **kwargs: Any) -> Any:
        tag = super()._get_trace_artifact_location_tag(*args, **kwargs)
        tag.value = tag.value.replace("/runs/traces/", "/runs/")  # for the reason models have
        return tag

    def _active_experiment(self, name: str) -> Any:
        found = self.get_experiment_by_name(name)
        if found is None:
            try:
                self.create_experiment(name)
            except MlflowException:
                # Another job of the same experiment was faster, or the name is not allowed.
                if self.get_experiment_by_name(name) is None:
                    raise
            found = self.get_experiment_by_name(name)
        elif found.lifecycle_stage == LifecycleStage.DELETED:
            self.restore_experiment(found.experiment_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceStores:
    """Hold all that MLflow keeps of one workspace.

    Args:
        tracking: experiments, runs, logged models.
        registry: registered models and their versions; in the same database.
        blobs: the storage accounts.
        account: the workspace's storage account.
    """

    tracking: WorkspaceTracking
    registry: SqlAlchemyRegistry
    blobs: BlobStore
    account: str

    def model_places(self, name: str) -> tuple[tuple[str, str, str], ...]:
        """Give version, run and place of each version of a registered model."""
        quote = '"' if "'" in name else "'"
        found = self.registry.search_model_versions(f"name={quote}{name}{quote}")
        return tuple(
            (
                str(each.version),
                str(each.run_id or ""),
                str(self.registry.get_model_version_download_uri(name, each.version)),
            )
            for each in found
        )


class BlobArtifacts(ArtifactRepository):
    """Let the server itself read and write artifacts, for its UI and its `artifacts/list`.

    Args:
        artifact_uri: a folder, as clients see it; the storage account is always the one of the
            workspace the request is about.
        options: what newer versions of MLflow pass on.
    """

    def __init__(self, artifact_uri: str, **options: Any) -> None:
        super().__init__(artifact_uri, **options)
        self._stores = CURRENT.get()
        self._folder: ArtifactFolder = artifact_folder_of_uri(artifact_uri)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List what lies directly in a folder; nothing when it is a file."""
        above = f"{path.strip('/')}/" if path else ""
        found: dict[str, FileInfo] = {}
        for name, blob in self._blobs(above):
            child, _, deeper = name[len(above) :].partition("/")
            full = above + child
            found[full] = FileInfo(full, bool(deeper), None if deeper else blob.size)
        return [found[name] for name in sorted(found)]

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store one file."""
        file = Path(local_file)
        name = f"{artifact_path}/{file.name}" if artifact_path else file.name
        with file.open("rb") as stream:
            self._stores.blobs.write(
                self._stores.account,
                ARTIFACT_CONTAINER,
                self._folder.blob(name),
                iter(lambda: stream.read(1 << 20), b""),
            )

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store all files of a folder."""
        for file in sorted(Path(local_dir).rglob("*")):
            if file.is_file():
                folder = PurePosixPath(artifact_path or ".", file.parent.relative_to(local_dir))
                self.log_artifact(str(file), None if folder.name == "" else str(folder))

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        name = self._folder.blob(remote_file_path)
        blob = self._stores.blobs.info(self._stores.account, ARTIFACT_CONTAINER, name)
        if blob is None:
            raise MlflowException(
                f"No such artifact: '{remote_file_path}'.", error_code=RESOURCE_DOES_NOT_EXIST
            )
        shutil.copyfile(blob.file, local_path)

    def _blobs(self, prefix: str) -> Iterator[tuple[str, BlobInfo]]:
        root = self._folder.blob("")
        for blob in self._stores.blobs.list(
            self._stores.account, ARTIFACT_CONTAINER, root + prefix
        ):
            yield blob.name[len(root) :], blob


def _existing(session: Session, run_id: str) -> Any:
    run = session.get(SqlRun, run_id)
    if run is None:
        raise KeyError(run_id)
    return run
