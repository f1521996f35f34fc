"""The MLflow runs of a local run: the workspace's, and the user's own where that is another."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import AzureMLBackendError, TrackingError
from mlflow_azureml_backend.local_run.service import CODE, ERROR, left_files
from mlflow_azureml_backend.workspace.written_run import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import JobHandle, RunOutcome
    from mlflow_azureml_backend.local_run.service import LocalRun
    from mlflow_azureml_backend.tracking import TrackingSession
    from mlflow_azureml_backend.tracking.source_run import SourceFiles
    from mlflow_azureml_backend.workspace.tracked_run import TrackedRun
    from mlflow_azureml_backend.workspace.written_run import WrittenRun

_logger = logging.getLogger(__name__)


class LocalSession:
    """The runs of a local run, over its life.

    What a service does for a job is done here: the log and the outputs go to the workspace's run,
    which then ends as the project's command did. Any process on this machine may do it, once.

    Args:
        local: The run as it stands.
        record: The run in the workspace.
        shown: The run that the user sees: the same one, or its mirror in the user's own store.
    """

    def __init__(self, local: LocalRun, record: WrittenRun, shown: TrackingSession) -> None:
        self.run_id = shown.run_id
        self._local = local
        self._record = record
        self._shown = shown
        self._lock = threading.Lock()

    def submitted(self, handle: JobHandle) -> None:
        """Tie the user's run to the workspace's."""
        self._shown.submitted(handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the runs of a project that did not begin."""
        try:
            self._record.tag({ERROR: reason})
            self._record.end("FAILED", time.time())
        except AzureMLBackendError:
            # The reason itself is on its way to the user; this must not hide it.
            _logger.warning("The run '%s' could not be ended as FAILED.", self._record.run_id)
        return self._shown.failed_to_submit(reason)

    def update(self) -> None:
        """Bring the user's run up to date."""
        self._shown.update()

    def finish(self, outcome: RunOutcome) -> None:
        """Bring log and outputs to the workspace, and end the runs as the command ended.

        Raises:
            TrackingError: The workspace took not all of it; `attach` tries it again.
        """
        with self._lock:
            try:
                self._complete(outcome)
            except AzureMLBackendError as error:
                raise TrackingError(
                    f"What the run '{self._record.run_id}' left could not all be stored in the "
                    f"workspace: {error} Try it again with: mlflow-azureml wait {self.run_id}"
                ) from error
        self._shown.finish(outcome)

    def _complete(self, outcome: RunOutcome) -> None:
        folder = self._local.folder
        if not folder.exists:
            # It was completed before, perhaps on its own machine; or there is nothing left of it.
            if self._record.read()["info"]["status"] in {"RUNNING", "SCHEDULED"}:
                self._end(outcome, time.time())
            return
        with folder.claimed() as to_do:
            if to_do:
                ending = folder.ending()
                self._record.put(list(left_files(folder)))
                self._end(outcome, ending.ended if ending else time.time())
                folder.remove()

    def _end(self, outcome: RunOutcome, ended: float) -> None:
        if outcome.error:
            self._record.tag({ERROR: shortened(outcome.error)})
        self._record.end(outcome.status.to_run_status(), ended)


class WithoutCode:
    """The workspace's run, but for its code: the user's own store need not have it as well.

    Args:
        run: The run in the workspace.
    """

    def __init__(self, run: TrackedRun) -> None:
        self._run = run
        self.read = run.read
        self.metric_pages = run.metric_pages
        self.metric_history = run.metric_history
        self.logged_models = run.logged_models
        self.model_files = run.model_files
        self.wait_until_readable = run.wait_until_readable

    @contextmanager
    def files(self) -> Iterator[SourceFiles]:
        """Open the run's other files."""
        with self._run.files() as files:
            yield _OtherFiles(files)


class _OtherFiles:
    def __init__(self, files: SourceFiles) -> None:
        self.listed = [file for file in files.listed if not file["path"].startswith(f"{CODE}/")]
        self.download = files.download
