"""One pipeline's way from its submission to its end: it begins each step when it can run."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.parent_worker import ParentWorker
from mlflow_azureml_backend.emulator.jobs.pipeline_steps import PipelineSteps
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.pipeline_body import continues_on_failure
from mlflow_azureml_backend.emulator.pipelines.step_body import node_id
from mlflow_azureml_backend.emulator.resources import timestamp
from mlflow_azureml_backend.emulator.routes.pipeline_checks import read_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep

LOG: Final = "logs/azureml/executionlogs.txt"
"""What the pipeline itself tells, below the folder of its run; clients stream it."""

_FIRST_ONES: Final = 5


class PipelineWorker(ParentWorker[PipelineSteps]):
    """Drive one pipeline; its steps are jobs with workers of their own.

    All that it knows is in the documents of its steps, so that another worker can take it up.
    """

    children_called = "steps"
    log = LOG

    def _opened(self, engine: JobEngine) -> PipelineSteps:
        return PipelineSteps(self._emulation, engine, self._workspace, self._name)

    def _break_off(self, status: JobStatus) -> None:
        if status is JobStatus.CANCELED:
            self._tell_once("Cancel of experiment was requested, cancel running nodes.")
        super()._break_off(status)
        for name in self._children.statuses():
            self._tell_once(f"Completing processing run id {name}.")
        self._note_stage(status.value)

    def _drive(self) -> None:
        if self.record.status is JobStatus.PREPARING:
            self.course.stay()
        self.course.heed()
        self.record.advance(JobStatus.RUNNING)
        pipeline = self.record.properties
        try:
            steps = read_steps(self._emulation.state, self._workspace, pipeline)
        except ServiceError as error:
            raise JobFailure(error.message) from None
        failed = self._run_steps(pipeline, steps)
        if failed:
            raise self._failure(failed)
        self._tell_once("Finishing experiment: no runs left and nothing to schedule.")
        self.record.produce(self._children.produced(steps))
        self._note_stage("Finished")
        self.course.stay()
        self.course.go(JobStatus.FINALIZING)

    def _run_steps(
        self, pipeline: Mapping[str, Any], steps: tuple[PipelineStep, ...]
    ) -> dict[str, JobStatus]:
        """Begin the steps as they can run, and give those that have not completed, by their jobs.

        Raises:
            Stopped: the pipeline is to be canceled.
            Suspended: the emulator stops.
        """
        while True:
            self.course.heed()
            at = self._children.statuses()
            ended = {name: status for name, status in at.items() if status.is_terminal}
            for name in ended:
                self._tell_once(f"Completing processing run id {name}.")
            failed: dict[str, JobStatus] = {
                name: status for name, status in ended.items() if status is not JobStatus.COMPLETED
            }
            if failed and not continues_on_failure(pipeline):
                self._tell_once(
                    "Execution of experiment failed, update experiment status and cancel running "
                    "nodes."
                )
                return failed
            running = [name for name in at if name not in ended]
            running += self._begin(pipeline, self._children.ready(steps, at))
            if not running:
                return failed
            self._children.wait(running, self.course.interrupt.is_set, None)

    def _begin(self, pipeline: Mapping[str, Any], steps: list[PipelineStep]) -> list[str]:
        if not steps:
            return []
        names = [self._children.job(step.name) for step in steps]
        first = ",".join(f"{node_id(name)}:{name}" for name in names[:_FIRST_ONES])
        self._note_stage("Running")
        self._tell_once(f"Submitting {len(names)} runs, first five are: {first}")
        for step in steps:
            self._children.begin(pipeline, step)
        return names

    def _failure(self, failed: Mapping[str, JobStatus]) -> JobFailure:
        """Say which steps have failed; whose fault it is, is that of the first one."""
        error = self._children.error(next(iter(failed)))
        return JobFailure(
            "Pipeline has some failed steps. See child run or execution logs for more details. "
            f"Failed or canceled: {', '.join(self._children.shown(name) for name in failed)}.",
            code=error.get("code") or "UserError",
        )

    def _note_stage(self, status: str) -> None:
        run = self.record.run
        ended = None if status == "Running" else timestamp(datetime.now(timezone.utc))
        stage = {"StartTime": run.get("startTimeUtc"), "EndTime": ended, "Status": status}
        stages = json.dumps({"Initialization": None, "Execution": stage})
        self.record.note("azureml.pipelines.stages", stages)

    def _tell_once(self, text: str) -> None:
        """Write a line to the log, unless a worker before this one has."""
        log = self.record.open_log(LOG)
        if log.exists() and text in log.read_text(encoding="utf-8"):
            return
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"[{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%SZ}] {text}\n")
