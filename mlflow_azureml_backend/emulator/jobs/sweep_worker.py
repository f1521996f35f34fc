"""One sweep's way from its submission to its end: it begins trials, and looks how they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.jobs.definition import read_timeout
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.parent_worker import ParentWorker
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.jobs.trials import Trials
from mlflow_azureml_backend.emulator.sweep_body import MOST_TRIALS, trial_name
from mlflow_azureml_backend.emulator.sweeps.early_termination import Progress, Terminator
from mlflow_azureml_backend.emulator.sweeps.sampling import read_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.jobs.trials import Trial
    from mlflow_azureml_backend.emulator.sweeps.sampling import Sampler

LOG: Final = "azureml-logs/hyperdrive.txt"
"""What the sweep itself tells, below the folder of its run."""

_FAILURES_AT_FIRST: Final = 3
_SECONDS_BETWEEN_LOOKS: Final = 0.5


class SweepWorker(ParentWorker[Trials]):
    """Drive one sweep; its trials are jobs with workers of their own.

    All that it knows is in the documents of its trials, so that another worker can take it up.
    """

    children_called = "trials"
    log = LOG

    def _opened(self, engine: JobEngine) -> Trials:
        self._ended: dict[str, float | None] = {}  # of none of them the end is known
        return Trials(self._emulation, engine, self._workspace, self._name)

    def _break_off(self, status: JobStatus) -> None:
        self.record.mark("_aml_system_cancellation_requested", "true")
        super()._break_off(status)
        self._take_ends(self.record.properties, self._children.all())
        self._tell(f"The sweep ends as {status.value}.")

    def _drive(self) -> None:
        sweep = self.record.properties
        sampler = read_sampler(sweep, self._name)
        size = "infinite_space_size" if sampler.size is None else str(sampler.size)
        self.record.note("space_size", size)
        policy = sweep["earlyTermination"]
        terminator = Terminator(policy, maximize=_sign(sweep) > 0) if policy else None
        while True:
            self.course.heed()
            trials = self._children.all()
            self._take_ends(sweep, trials)
            self._check_failures(trials)
            if terminator is not None:
                self._give_up(sweep, terminator, trials)
            running = self._begin_trials(sweep, sampler, trials)
            if not running:
                break
            left = self._seconds_left(read_timeout(sweep))
            if left is not None and left <= 0:
                self.record.warn("The sweep was canceled: it ran longer than its limits.timeout.")
                self.course.cancel()
                continue
            looks = [] if terminator is None else [_SECONDS_BETWEEN_LOOKS]
            seconds = min([*looks, *([] if left is None else [left])], default=None)
            self._children.wait(running, self.course.interrupt.is_set, seconds)
        self.record.mark("_aml_system_all_jobs_generated", "true")
        self._check_results(sweep, trials)
        self._tell("The sweep ends as Completed.")

    def _begin_trials(
        self, sweep: Mapping[str, Any], sampler: Sampler, trials: list[Trial]
    ) -> list[str]:
        """Begin as many trials as may run, and name those that run then."""
        limits = sweep["limits"]
        total = limits["maxTotalTrials"] or MOST_TRIALS
        concurrent = limits["maxConcurrentTrials"] or total
        running = [trial.name for trial in trials if not trial.status.is_terminal]
        scored = [
            (trial.values, score)
            for trial in trials
            if (score := self._ended.get(trial.name)) is not None
        ]
        for index in range(len(trials), total):
            values = sampler.propose(index, scored) if len(running) < concurrent else None
            if values is None:
                break
            name, text = trial_name(self._name, index), json.dumps(values, sort_keys=True)
            self._tell(f"Trial {name} tries {text}.")
            running.append(self._children.begin(sweep, index, values))
            self.record.mark(f"_aml_system_{name}", text)
        return running

    def _take_ends(self, sweep: Mapping[str, Any], trials: list[Trial]) -> None:
        """Learn how trials did that have ended since, and which is the best now."""
        for trial in trials:
            if trial.status.is_terminal and trial.name not in self._ended:
                score = max(self._scores(sweep, trial.name), default=None)
                self._ended[trial.name] = score
                value = "nothing" if score is None else f"{_sign(sweep) * score:g}"
                self._tell(f"Trial {trial.name} has ended as {trial.status.value} with {value}.")
        scored = {name: score for name, score in self._ended.items() if score is not None}
        if not scored:
            return
        best = max(scored, key=lambda name: scored[name])
        for name, value in (
            ("best_child_run_id", best),
            ("score", repr(_sign(sweep) * scored[best])),
            ("best_metric_status", "Succeeded"),
            ("best_data_container_id", f"dcid.{best}"),
        ):
            self.record.note(name, value)

    def _check_failures(self, trials: list[Trial]) -> None:
        first = trials[:_FAILURES_AT_FIRST]
        if len(first) == _FAILURES_AT_FIRST and all(
            trial.status is JobStatus.FAILED for trial in first
        ):
            raise JobFailure(
                f"The first {_FAILURES_AT_FIRST} trials have failed. The sweep is being canceled. "
                f"See the log of {first[0].name}, and submit the sweep again."
            )

    def _check_results(self, sweep: Mapping[str, Any], trials: list[Trial]) -> None:
        if not any(trial.status is JobStatus.COMPLETED for trial in trials):
            first = trials[0].name
            raise JobFailure(f"None of the {len(trials)} trials has completed; see {first}.")
        if all(score is None for score in self._ended.values()):
            metric = sweep["objective"]["primaryMetric"]
            self.record.warn(f"No trial has logged the primary metric '{metric}'.")

    def _give_up(
        self, sweep: Mapping[str, Any], terminator: Terminator, trials: list[Trial]
    ) -> None:
        progress = []
        for trial in trials:
            if scores := self._scores(sweep, trial.name):
                running = trial.status is JobStatus.RUNNING
                progress.append(Progress(name=trial.name, scores=scores, running=running))
        for name in terminator.poor(progress):
            self._tell(f"Trial {name} is given up by the early termination policy.")
            self._children.cancel(name)

    def _scores(self, sweep: Mapping[str, Any], trial: str) -> list[float]:
        """Give what a trial has logged of the primary metric as scores: the higher the better."""
        metric = sweep["objective"]["primaryMetric"]
        return [_sign(sweep) * value for value in self._children.logged(trial, metric)]


def _sign(sweep: Mapping[str, Any]) -> int:
    return 1 if sweep["objective"]["goal"].lower() == "maximize" else -1
