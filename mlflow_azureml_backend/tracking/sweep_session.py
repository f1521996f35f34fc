"""The MLflow run of a sweep: the run of its job, and what the trials add to it."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import NotFoundError, TrackingError, WorkspaceError
from mlflow_azureml_backend.follow.trial_picture import parallel_coordinates
from mlflow_azureml_backend.follow.trials import trial_line, trials_table
from mlflow_azureml_backend.tracking.children_session import with_children
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.mirrored_trials import MirroredTrials

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.job import JobHandle, RunOutcome, WorkspaceRef
    from mlflow_azureml_backend.sweep import SweepState, Trial
    from mlflow_azureml_backend.tracking.mirrored_children import ParentRun
    from mlflow_azureml_backend.tracking.session import TrackingSession

_logger = logging.getLogger(__name__)

BEST_TRIAL = "azureml.best_trial"
PICTURE = "sweep/trials.svg"
TABLE = "sweep/trials.txt"
_SECONDS_BETWEEN_LOOKS = 2.0


class SweepService(Protocol):
    """The little that a sweep's run needs of the workspace."""

    @property
    def ref(self) -> WorkspaceRef:
        """The workspace's name."""

    def sweep(self, job_name: str) -> SweepState | None:
        """Take one look at a sweep."""

    def tracked_run(self, job_name: str) -> ParentRun:
        """Give the run that a job logs to."""


def with_trials(
    session: TrackingSession, service: SweepService, job_name: str, *, tell: Callable[[str], None]
) -> TrackingSession:
    """Give the session of a job that was submitted before, with the runs that are below it.

    Args:
        session: The run of the job.
        service: The workspace.
        job_name: The job.
        tell: Shows the user a line.

    Raises:
        WorkspaceError: The job could not be read.
    """
    if service.sweep(job_name) is None:
        return with_children(session, service, job_name)
    return SweepSession(session, service, job_name, tell=tell)


class SweepSession:
    """Tell how the trials do, mirror them, and write down the best one at the end.

    Args:
        session: The run of the sweep's job.
        service: The workspace.
        job_name: The sweep's job.
        tell: Shows the user a line.
    """

    def __init__(
        self,
        session: TrackingSession,
        service: SweepService,
        job_name: str,
        *,
        tell: Callable[[str], None],
    ) -> None:
        self.run_id = session.run_id
        self._session = session
        self._service = service
        self._job_name = job_name
        self._tell = tell
        self._stages: dict[str, tuple[bool, bool]] = {}
        self._scores: dict[str, float] = {}
        self._last_look = 0.0
        self._finished = False
        # In the workspace's own store the trials are child runs already.
        self._mirror = (
            MirroredTrials(session.run_id, workspace=service.ref, source=service.tracked_run)
            if isinstance(session, MirroredRun)
            else None
        )

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job."""
        self._session.submitted(handle)

    def failed_to_submit(self, reason: str) -> str:
        """End the run of a job that does not exist; give the reason that was noted first."""
        return self._session.failed_to_submit(reason)

    def update(self) -> None:
        """Look at the trials, at most every few seconds; trouble is left for the next time."""
        self._session.update()
        if time.monotonic() - self._last_look < _SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = time.monotonic()
        try:
            self._look()
        except (WorkspaceError, MlflowException, TrackingError) as error:
            _logger.debug("The trials of '%s' wait: %s", self._job_name, error)

    def finish(self, outcome: RunOutcome) -> None:
        """Show all trials, write down the best one, and end the run as the sweep ended."""
        if not self._finished:
            try:
                sweep = self._look()
                if sweep is not None and sweep.trials:
                    self._conclude(sweep)
            except WorkspaceError as error:
                # The run must end all the same.
                _logger.warning("The trials of '%s' could not be read: %s", self._job_name, error)
            except MlflowException as error:
                raise TrackingError(
                    f"The trials of '{self._job_name}' could not be logged to MLflow run "
                    f"'{self.run_id}': {error.message}"
                ) from error
            self._finished = True
        self._session.finish(outcome)

    def _look(self) -> SweepState | None:
        sweep = self._service.sweep(self._job_name)
        if sweep is None:
            return None
        for number, trial in enumerate(sweep.trials):
            # Twice a trial: when it runs, and when it has ended.
            stage = (trial.status.has_started, trial.status.is_terminal)
            if trial.status.has_started and self._stages.get(trial.job_name) != stage:
                score = self._score(sweep, trial) if trial.status.is_terminal else None
                self._tell(trial_line(number, trial, sweep.names, score))
                self._stages[trial.job_name] = stage
        if self._mirror is not None:
            self._mirror.mirror(sweep.trials, sweep.names)
        return sweep

    def _score(self, sweep: SweepState, trial: Trial) -> str | None:
        """Learn the best value of the primary metric of a trial that has ended."""
        metric = sweep.objective.primary_metric
        try:
            history = list(self._service.tracked_run(trial.job_name).metric_history(metric))
        except NotFoundError:  # a trial that never ran may have no run, or no such metric
            return None
        values = {str(index): float(point["value"]) for index, point in enumerate(history)}
        best = sweep.objective.best({k: v for k, v in values.items() if not math.isnan(v)})
        if best is None:
            return None
        self._scores[trial.job_name] = values[best]
        return f"{metric}={values[best]:.6g}"

    def _conclude(self, sweep: SweepState) -> None:
        best = sweep.best or sweep.objective.best(self._scores)
        arguments = {"objective": sweep.objective, "names": sweep.names, "best": best}
        table = trials_table(sweep.trials, self._scores, **arguments)  # type: ignore[arg-type]
        for line in table:
            self._tell(line)
        client = MlflowClient()
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-") as folder:
            files = {TABLE: "\n".join([*table, ""])}
            if self._scores:
                files[PICTURE] = parallel_coordinates(
                    sweep.trials,
                    self._scores,
                    **arguments,  # type: ignore[arg-type]
                )
            for path, text in files.items():
                file = Path(folder) / path
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
            # An earlier look may have concluded already, and Azure ML writes no artifact twice.
            if not client.list_artifacts(self.run_id, "sweep"):
                client.log_artifacts(self.run_id, folder)
        trial = next((found for found in sweep.trials if found.job_name == best), None)
        if trial is None:
            return
        client.set_tag(self.run_id, BEST_TRIAL, trial.job_name)
        for name, value in trial.values.items():
            client.set_tag(self.run_id, f"{BEST_TRIAL}.{sweep.names.get(name, name)}", value)
        if trial.job_name in self._scores:
            metric, score = sweep.objective.primary_metric, self._scores[trial.job_name]
            if client.get_run(self.run_id).data.metrics.get(metric) != score:
                client.log_metric(self.run_id, metric, score)
        number = sweep.trials.index(trial)
        self._tell(f"Best trial   {number} ({trial.job_name})")
