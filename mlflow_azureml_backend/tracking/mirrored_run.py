"""A run in the user's own store, kept equal to the one that its job logs to the workspace."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import (
    NotFoundError,
    QuotaError,
    TrackingError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.handle_tags import ERROR, MIRRORED, TAG_LENGTH
from mlflow_azureml_backend.tracking.mirrored_metrics import MirroredMetrics
from mlflow_azureml_backend.tracking.own_run import end_unsubmitted, run_to_end, tie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlflow_azureml_backend.job import JobHandle, RunOutcome

_logger = logging.getLogger(__name__)

# MLflow's limit on the params, and on the tags, of one request.
_PARAMS_A_BATCH = 100
_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_OF_RETRIES = 60.0
_COPIED_BYTES = 10 * 1024 * 1024
ARTIFACT_LIST = "azureml/artifacts.json"

# The service's own diagnostics, which stay where they are.
_SERVICE_FOLDERS = ("system_logs/", "logs/azureml/", "azureml-logs/")

# Tags under `mlflow.` describe the run in *its* store; these two carry what the user logged.
_CARRIED_TAGS = ("mlflow.log-model.history", "mlflow.note.content")


class SourceRun(Protocol):
    """The run to mirror, as the workspace gives it."""

    def read(self) -> dict[str, Any]:
        """Give MLflow's run object as JSON."""

    def metric_history(self, key: str) -> Iterable[dict[str, Any]]:
        """Give every point of a metric."""

    def artifacts(self) -> list[dict[str, Any]]:
        """List `path` and `size` of every file."""

    def download(self, path: str, target: Path) -> None:
        """Write one artifact to a file."""


class MirroredRun:
    """The user's run of a job whose own run is in the workspace.

    Mirroring is idempotent: what the user's run already has is not logged again, so that it can
    be done while the job is followed, at its end, and by another process.

    Args:
        run_id: The user's run, already open.
        source: The job's run, which appears when the job does.
        pause: Waits so many seconds between attempts.
    """

    def __init__(
        self, run_id: str, source: SourceRun, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.run_id = run_id
        self._client = MlflowClient()
        self._source = source
        self._pause = pause
        self._metrics = MirroredMetrics(self._client, run_id, source)
        self._last_look = 0.0
        self._finished = False
        self._is_behind = False
        self._lock = threading.Lock()

    def submitted(self, handle: JobHandle) -> None:
        """Tag the run with all that is needed to find the job again."""
        tie(self._client, self.run_id, handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the run FAILED with the reason in a tag; give the reason that was noted first."""
        return end_unsubmitted(self._client, self.run_id, reason)

    def update(self) -> None:
        """Mirror what is new, at most every few seconds; trouble is left for the next time."""
        with self._lock:
            if time.monotonic() - self._last_look < _SECONDS_BETWEEN_LOOKS:
                return
            self._last_look = time.monotonic()
            try:
                self._mirror_data(self._source.read(), everything=False)
            except WorkspaceError as error:
                _logger.debug("Mirroring of run '%s' waits: %s", self.run_id, error)
            except MlflowException as error:
                if not self._is_behind:
                    reason = error.message.partition("\n")[0]
                    _logger.warning(
                        "The job goes on, but MLflow run '%s' cannot be mirrored for now: %s",
                        self.run_id,
                        reason,
                    )
                self._is_behind = True
            else:
                if self._is_behind:
                    _logger.warning("MLflow run '%s' has caught up with its job.", self.run_id)
                self._is_behind = False

    def finish(self, outcome: RunOutcome) -> None:
        """Mirror everything, then end the run as the job ended.

        Raises:
            TrackingError: The user's store refused; the run can be mirrored again later.
        """
        with self._lock:
            if self._finished:
                return
            try:
                if not self._is_complete(outcome):
                    self._complete(outcome)
            except MlflowException as error:
                raise TrackingError(
                    f"MLflow run '{self.run_id}' could not be completed: {error.message} The job "
                    f"ended {outcome.status.value}, and all that it logged is in the workspace; "
                    f"`mlflow-azureml wait {self.run_id}` completes the run."
                ) from error
            self._finished = True

    def _is_complete(self, outcome: RunOutcome) -> bool:
        """Tell whether somebody has mirrored everything after the job's end."""
        tags = run_to_end(self._client, self.run_id, outcome.status.value).data.tags
        return bool(tags.get(MIRRORED) == outcome.status.value)

    def _complete(self, outcome: RunOutcome) -> None:
        source = self._mirror_all()
        if outcome.error:
            self._client.set_tag(self.run_id, ERROR, outcome.error[:TAG_LENGTH])
        mine = self._client.get_run(self.run_id).info
        ended = source.get("info", {}).get("end_time") if source else None
        # Two processes that finish at once end the run the same way, at the service's own time.
        self._client.set_terminated(
            self.run_id,
            outcome.status.to_run_status(),
            end_time=max(int(ended), mine.start_time) if ended else None,
        )
        if source is not None:
            self._client.set_tag(self.run_id, MIRRORED, outcome.status.value)

    def _mirror_all(self) -> dict[str, Any] | None:
        """Mirror everything; give the run that was mirrored, or None where that was impossible."""
        deadline = time.monotonic() + _SECONDS_OF_RETRIES
        pause = 1.0
        while True:
            try:
                try:
                    source = self._source.read()
                except NotFoundError:
                    return None  # a job that never started has no run
                self._mirror_data(source, everything=True)
                self._mirror_artifacts()
            except (UnavailableError, QuotaError) as error:
                if time.monotonic() + pause > deadline:
                    _logger.warning(
                        "The job's MLflow run could not be mirrored; `mlflow-azureml wait %s` "
                        "tries it again. %s",
                        self.run_id,
                        error,
                    )
                    return None
                self._pause(pause)
                pause *= 2
            except WorkspaceError as error:
                # The user's run must end all the same.
                _logger.warning("The job's MLflow run could not be mirrored: %s", error)
                return None
            else:
                return source

    def _mirror_data(self, source: Mapping[str, Any], *, everything: bool) -> None:
        data = source.get("data", {})
        mine = self._client.get_run(self.run_id).data
        self._mirror_params(data.get("params", []), mine.params)
        self._mirror_tags(data.get("tags", []), mine.tags)
        self._metrics.mirror(data.get("metrics", []), everything=everything)

    def _mirror_params(self, params: list[dict[str, str]], mine: Mapping[str, str]) -> None:
        missing = [Param(p["key"], p.get("value", "")) for p in params if p["key"] not in mine]
        for batch in batches(missing, _PARAMS_A_BATCH):
            self._client.log_batch(self.run_id, params=batch)

    def _mirror_tags(self, tags: list[dict[str, str]], mine: Mapping[str, str]) -> None:
        changed = [
            RunTag(tag["key"], tag.get("value", ""))
            for tag in tags
            if _is_users(tag["key"]) and mine.get(tag["key"]) != tag.get("value", "")
        ]
        for batch in batches(changed, _PARAMS_A_BATCH):
            self._client.log_batch(self.run_id, tags=batch)

    def _mirror_artifacts(self) -> None:
        """Copy small files, and list all of them with their sizes."""
        files = self._source.artifacts()
        if not files:
            return
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-") as folder:
            root = Path(folder).resolve()
            listing = root / ARTIFACT_LIST
            for file in files:
                target = (root / file["path"]).resolve()
                if _is_copied(file) and _has_place(target, root, listing):
                    self._source.download(file["path"], target)
            listing.parent.mkdir(exist_ok=True)
            listing.write_text(json.dumps(files, indent=1), encoding="utf-8")
            self._client.log_artifacts(self.run_id, folder)


def _is_copied(file: Mapping[str, Any]) -> bool:
    small = (file["size"] or 0) <= _COPIED_BYTES
    return small and not str(file["path"]).startswith(_SERVICE_FOLDERS)


def _has_place(target: Path, root: Path, listing: Path) -> bool:
    """Tell whether an artifact's file is inside the folder and not in the way of the listing."""
    in_the_way = listing in (target, *target.parents) or target in listing.parents
    return root in target.parents and not in_the_way


def _is_users(key: str) -> bool:
    return key in _CARRIED_TAGS or not key.startswith(("mlflow.", "azureml.", "_aml_system"))
