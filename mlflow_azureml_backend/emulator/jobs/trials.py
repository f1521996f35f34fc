"""The trials of one sweep: jobs of their own, and all that is known of the sweep's course."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.emulator.job_creation import children, create_job
from mlflow_azureml_backend.emulator.jobs.children import Children
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.sweep_body import trial_body, trial_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.sweeps.search_space import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Say where one trial is.

    Args:
        name: its job.
        values: what it tries, by parameter.
        status: its job's.
    """

    name: str
    values: Mapping[str, Value]
    status: JobStatus


class Trials(Children):
    """Begin the trials of a sweep, and tell how they do."""

    def all(self) -> list[Trial]:
        """Give all trials that have begun, in their order."""
        found = []
        for name in children(self._emulation.state, self._workspace, self._parent):
            job = self._emulation.state.get("job", self._workspace.storage_key, name)
            if job is not None:
                values = json.loads(job.body["tags"]["hyperparameters"])
                status = JobStatus(job.body["status"])
                found.append(Trial(name=name, values=values, status=status))
        return found

    def begin(self, sweep: Mapping[str, Any], index: int, values: Mapping[str, Value]) -> str:
        """Begin a trial, and give its name.

        Args:
            sweep: the properties of the sweep.
            index: the trial's number, from 0.
            values: what it tries, by parameter.
        """
        name = trial_name(self._parent, index)
        body = trial_body(sweep, name, values)
        create_job(self._emulation, self._engine, self._workspace, name, body, parent=self._parent)
        self._engine.submit(self._workspace, name)
        return name

    def logged(self, name: str, metric: str) -> tuple[float, ...]:
        """Give what a trial has logged of a metric, in the order of its steps."""
        try:
            return self._emulation.tracking.metric(self._workspace, name, metric)
        except KeyError:  # its user has deleted the run
            return ()
