"""A run in the user's own store, kept equal to the one that its job logs to the workspace."""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import (
    NotFoundError,
    QuotaError,
    TrackingError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.tracking.client import current_client
from mlflow_azureml_backend.tracking.handle_tags import ERROR, MIRRORED, TAG_LENGTH
from mlflow_azureml_backend.tracking.mirror import Mirror
from mlflow_azureml_backend.tracking.own_run import end_unsubmitted, run_to_end, tie

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import JobHandle, RunOutcome
    from mlflow_azureml_backend.tracking.source_run import SourceRun

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 5.0
# So many times as long as a look takes, it is until the next one.
_REST = 5
_SECONDS_OF_RETRIES = 60.0


class MirroredRun:
    """The user's run of a job whose own run is in the workspace.

    Mirroring is idempotent: what the user's run already has is not logged again, so that it can
    be done while the job is followed, at its end, and by another process.

    Args:
        run_id: The user's run, already open.
        source: The job's run, which appears when the job does.
        opened: When this process opened the run, by `time.monotonic`, if it did.
        tell: Shows the user a line.
        pause: Waits so many seconds between attempts.
    """

    def __init__(
        self,
        run_id: str,
        source: SourceRun,
        *,
        opened: float = -math.inf,
        tell: Callable[[str], None] = _logger.info,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run_id = run_id
        self._opened = opened
        self._client = current_client()
        self._mirror = Mirror(self._client, run_id, source)
        self._tell = tell
        self._pause = pause
        self._next_look = 0.0
        self._waits = False
        self._finished = False
        self._lock = threading.Lock()

    def submitted(self, handle: JobHandle) -> None:
        """Tag the run with all that is needed to find the job again."""
        tie(self._client, self.run_id, handle, opened=self._opened)

    def failed_to_submit(self, reason: str) -> str:
        """End the run FAILED with the reason in a tag; give the reason that was noted first."""
        return end_unsubmitted(self._client, self.run_id, reason)

    def update(self) -> None:
        """Mirror what is new, at most every few seconds; trouble is left for the next time."""
        with self._lock:
            begun = time.monotonic()
            if self._finished or begun < self._next_look:
                return
            try:
                self._mirror.update()
            except WorkspaceError as error:
                # Whoever follows the job tells of a workspace that is away.
                _logger.debug("Mirroring of run '%s' waits: %s", self.run_id, error)
            except (MlflowException, TrackingError) as error:
                self._tell_of_waiting(str(error).partition("\n")[0])
            else:
                self._tell_of_waiting(None)
            # A look at a thousand metrics is a thousand requests.
            taken = time.monotonic() - begun
            self._next_look = begun + max(_SECONDS_BETWEEN_LOOKS, _REST * taken)

    def finish(self, outcome: RunOutcome) -> None:
        """Mirror everything, then end the run as the job ended.

        Raises:
            TrackingError: The user's store refused; the run can be mirrored again later.
        """
        with self._lock:
            if self._finished:
                return
            try:
                self._finished = self._is_complete(outcome) or self._complete(outcome)
            except MlflowException as error:
                raise TrackingError(
                    f"MLflow run '{self.run_id}' could not be completed: {error.message} The job "
                    f"ended {outcome.status.value}, and all that it logged is in the workspace; "
                    f"`mlflow-azureml wait {self.run_id}` completes the run."
                ) from error
            except TrackingError as error:
                raise TrackingError(
                    f"MLflow run '{self.run_id}' could not be completed: {error}"
                ) from error

    def _tell_of_waiting(self, reason: str | None) -> None:
        """Say once that the user's store takes nothing, and once that it has caught up."""
        if reason is not None and not self._waits:
            _logger.warning(
                "MLflow run '%s' is not up to date, and catches up as soon as its store takes it; "
                "the job goes on. %s",
                self.run_id,
                reason,
            )
        elif reason is None and self._waits:
            _logger.warning("MLflow run '%s' has caught up with its job.", self.run_id)
        self._waits = reason is not None

    def _is_complete(self, outcome: RunOutcome) -> bool:
        """Tell whether somebody has mirrored everything after the job's end."""
        tags = run_to_end(self._client, self.run_id, outcome.status.value).data.tags
        return bool(tags.get(MIRRORED) == outcome.status.value)

    def _complete(self, outcome: RunOutcome) -> bool:
        """Mirror everything and end the run; tell whether all of it is there."""
        source, lacking = self._mirror_all(outcome)
        if self._mirror.amount is not None:
            self._tell(f"Mirrored     {self._mirror.amount}")
        if lacking is not None:
            # The user's run must end all the same.
            _logger.warning(
                "Not all that the job logged is in MLflow run '%s'; `mlflow-azureml wait %s` "
                "tries it again. %s",
                self.run_id,
                self.run_id,
                lacking,
            )
        if outcome.error:
            self._client.set_tag(self.run_id, ERROR, outcome.error[:TAG_LENGTH])
        mine = self._client.get_run(self.run_id).info
        theirs = source.get("info", {}) if source else {}
        if begun := theirs.get("start_time"):
            # A run's own beginning cannot be changed: this one began when it was submitted.
            moment = datetime.fromtimestamp(int(begun) / 1000, timezone.utc)
            self._client.set_tag(self.run_id, "azureml.start_time", moment.isoformat())
        ended = theirs.get("end_time")
        # Two processes that finish at once end the run the same way, at the service's own time;
        # clocks that differ must not end it before it began.
        self._client.set_terminated(
            self.run_id,
            outcome.status.to_run_status(),
            end_time=max(int(ended), mine.start_time) if ended else None,
        )
        if source is not None and lacking is None:
            self._client.set_tag(self.run_id, MIRRORED, outcome.status.value)
            return True
        return False

    def _mirror_all(self, outcome: RunOutcome) -> tuple[dict[str, Any] | None, str | None]:
        """Mirror everything; give the run that was mirrored, or None, and what is lacking."""
        deadline = time.monotonic() + _SECONDS_OF_RETRIES
        pause = 1.0
        while True:
            try:
                return self._mirror.complete()
            except NotFoundError as error:
                # A job that never started has no run.
                return None, str(error) if outcome.status is JobStatus.COMPLETED else None
            except (UnavailableError, QuotaError) as error:
                if time.monotonic() + pause > deadline:
                    return None, str(error)
                self._pause(pause)
                pause *= 2
            except WorkspaceError as error:
                return None, str(error)
