"""The trials of a sweep as child runs in the user's own store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlflow.entities import Param
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, RunOutcome
from mlflow_azureml_backend.tracking.handle_tags import JOB_NAME, MIRROR_ARTIFACTS, tags_of
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.sweep import Trial
    from mlflow_azureml_backend.tracking.source_run import SourceRun

_logger = logging.getLogger(__name__)


class MirroredTrials:
    """Open a child run for each trial, and keep it equal to the trial's own.

    Like mirroring itself this can be done again, by any process: a trial's run is found by the
    name of its job.

    Args:
        parent: The user's run of the sweep.
        workspace: Where the trials run.
        source: Gives the run of a trial in the workspace, by its job.
    """

    def __init__(
        self,
        parent: str,
        *,
        workspace: WorkspaceRef,
        source: Callable[[str], SourceRun],
    ) -> None:
        self._parent = parent
        self._workspace = workspace
        self._source = source
        self._client = MlflowClient()
        self._runs: dict[str, MirroredRun] | None = None
        self._experiment = ""
        self._choices: dict[str, str] = {}
        self._finished: set[str] = set()

    def mirror(self, trials: Sequence[Trial], names: Mapping[str, str]) -> None:
        """Bring the child runs up to date, and end those whose trials have ended.

        Args:
            trials: In the order in which they began.
            names: MLproject's names of the parameters, by those in the search space.

        Raises:
            MlflowException: The user's store refused.
        """
        for number, trial in enumerate(trials):
            if trial.job_name in self._finished:
                continue
            run = self._run(number, trial, names)
            if trial.status.is_terminal:
                try:
                    run.finish(RunOutcome(status=trial.status, error=trial.error))
                except TrackingError as error:
                    # A child that somebody deleted must not keep the sweep's run from its end.
                    _logger.warning("Trial '%s' is not mirrored: %s", trial.job_name, error)
                self._finished.add(trial.job_name)
            else:
                run.update()

    def _run(self, number: int, trial: Trial, names: Mapping[str, str]) -> MirroredRun:
        known = self._known_runs()
        if trial.job_name not in known:
            handle = JobHandle(workspace=self._workspace, job_name=trial.job_name)
            tags = {
                **tags_of(handle),
                **self._choices,
                "mlflow.parentRunId": self._parent,
                "mlflow.runName": f"trial {number}",
            }
            run_id = self._client.create_run(self._experiment, tags=tags).info.run_id
            self._client.log_batch(
                run_id,
                params=[
                    Param(names.get(name, name), value) for name, value in trial.values.items()
                ],
            )
            known[trial.job_name] = MirroredRun(run_id, self._source(trial.job_name))
        return known[trial.job_name]

    def _known_runs(self) -> dict[str, MirroredRun]:
        """Find the child runs that an earlier look, perhaps of another process, has opened."""
        if self._runs is None:
            parent = self._client.get_run(self._parent)
            self._experiment = parent.info.experiment_id
            self._choices = {
                key: value for key, value in parent.data.tags.items() if key == MIRROR_ARTIFACTS
            }
            found: dict[str, MirroredRun] = {}
            token = None
            while True:
                page = self._client.search_runs(
                    [self._experiment],
                    filter_string=f"tags.mlflow.parentRunId = '{self._parent}'",
                    page_token=token,
                )
                for run in page:
                    if name := run.data.tags.get(JOB_NAME):
                        found[name] = MirroredRun(run.info.run_id, self._source(name))
                token = page.token
                if not token:
                    break
            self._runs = found
        return self._runs
