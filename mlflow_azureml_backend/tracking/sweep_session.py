"""The MLflow run of a sweep: the run of its job, and what the trials add to it."""

from __future__ import annotations

import logging
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.follow.trial_picture import parallel_coordinates
from mlflow_azureml_backend.follow.trials import trial_line, trials_table
from mlflow_azureml_backend.tracking.artifact_store import ArtifactStoreError, RunArtifacts
from mlflow_azureml_backend.tracking.child_runs import ChildJob
from mlflow_azureml_backend.tracking.parent_session import ChildService, ParentSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.sweep import SweepState, Trial
    from mlflow_azureml_backend.tracking.session import TrackingSession

_logger = logging.getLogger(__name__)

BEST_TRIAL = "azureml.best_trial"
PICTURE = "sweep/trials.svg"
TABLE = "sweep/trials.txt"


class SweepService(ChildService, Protocol):
    """The little that a sweep's run needs of the workspace."""

    def sweep(self, job_name: str) -> SweepState | None:
        """Take one look at a sweep."""


class SweepSession(ParentSession):
    """Tell how the trials do, mirror them, and write down the best one at the end.

    Args:
        session: The run of the sweep's job.
        service: The workspace.
        job_name: The sweep's job.
        tell: Shows the user a line.
    """

    children = "trials"

    def __init__(
        self,
        session: TrackingSession,
        service: SweepService,
        job_name: str,
        *,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(session, service, job_name)
        self._service = service
        self._tell = tell
        self._stages: dict[str, tuple[bool, bool]] = {}
        self._scores: dict[str, float] = {}
        self._state: SweepState | None = None

    def _look(self) -> None:
        self._state = sweep = self._service.sweep(self._job_name)
        if sweep is None:
            return
        for number, trial in enumerate(sweep.trials):
            # Twice a trial: when it runs, and when it has ended.
            stage = (trial.status.has_started, trial.status.is_terminal)
            if trial.status.has_started and self._stages.get(trial.job_name) != stage:
                score = self._score(sweep, trial) if trial.status.is_terminal else None
                self._tell(trial_line(number, trial, sweep.names, score))
                self._stages[trial.job_name] = stage
        if self._mirror is not None:
            self._mirror.mirror(
                ChildJob(
                    job_name=trial.job_name,
                    name=f"trial {number}",
                    status=trial.status,
                    params={sweep.names.get(name, name): v for name, v in trial.values.items()},
                    error=trial.error,
                )
                for number, trial in enumerate(sweep.trials)
            )

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

    def _conclude(self) -> None:
        self._look()
        if self._state is not None and self._state.trials:
            self._write_down(self._state)

    def _write_down(self, sweep: SweepState) -> None:
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
            artifacts = RunArtifacts(client, self.run_id)
            try:
                # An earlier look may have concluded already, and Azure ML writes no artifact twice.
                if not artifacts.list("sweep"):
                    artifacts.upload(Path(folder))
            except ArtifactStoreError as error:
                _logger.warning("%s", error)
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
