"""The steps of one pipeline: jobs of their own, and all that is known of the pipeline's course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.emulator.job_creation import create_job
from mlflow_azureml_backend.emulator.job_outputs import output_asset, output_uri
from mlflow_azureml_backend.emulator.jobs.children import Children
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.pipelines.step_body import (
    pipeline_outputs,
    step_body,
    step_job_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow_azureml_backend.emulator.pipelines.steps import PipelineStep


class PipelineSteps(Children):
    """Begin the steps of a pipeline, and tell how they do."""

    def job(self, step: str) -> str:
        """Name the job of a step.

        Args:
            step: the step's name in the pipeline.
        """
        return step_job_name(self._workspace, self._parent, step)

    def ready(
        self, steps: Iterable[PipelineStep], at: Mapping[str, JobStatus]
    ) -> list[PipelineStep]:
        """Give the steps that have not begun, and need none that has not completed.

        Args:
            steps: all steps of the pipeline.
            at: where those are that have begun, by their jobs.
        """
        return [
            step
            for step in steps
            if self.job(step.name) not in at
            and all(at.get(self.job(needed)) is JobStatus.COMPLETED for needed in step.needs)
        ]

    def begin(self, pipeline: Mapping[str, Any], step: PipelineStep) -> None:
        """Begin a step.

        Args:
            pipeline: the properties of the pipeline.
            step: the step; those that it needs have completed.
        """
        name = self.job(step.name)
        body = step_body(self._parent, pipeline, step, name, self._source_uri)
        create_job(self._emulation, self._engine, self._workspace, name, body, parent=self._parent)
        self._engine.submit(self._workspace, name)

    def produced(self, steps: Iterable[PipelineStep]) -> dict[str, dict[str, str]]:
        """Say what the outputs of the pipeline are, when all of its steps have completed.

        Args:
            steps: all steps of the pipeline.

        Returns:
            By the output's name, the `job` and the `output` of it, and the `name`, `version` and
            `type` of its asset.
        """
        found = {}
        for name, (step, port) in pipeline_outputs({each.name: each for each in steps}).items():
            job = self.job(step)
            output = self._body(job)["outputs"][port]
            asset, version = output_asset(job, port, output)
            found[name] = {
                "job": job,
                "output": port,
                "name": asset,
                "version": version,
                "type": output["jobOutputType"],
            }
        return found

    def shown(self, name: str) -> str:
        """Name a step for people.

        Args:
            name: its job.
        """
        return f"{self._body(name)['displayName']} ({name})"

    def error(self, name: str) -> Mapping[str, Any]:
        """Give why a step has failed; empty for one that was canceled.

        Args:
            name: its job.
        """
        run = self._emulation.state.get("run", self._workspace.storage_key, name)
        return (run.body.get("error") if run else None) or {}

    def _source_uri(self, step: str, port: str) -> str:
        job = self.job(step)
        return output_uri(job, port, self._body(job)["outputs"][port])

    def _body(self, name: str) -> dict[str, Any]:
        job = self._emulation.state.get("job", self._workspace.storage_key, name)
        if job is None:
            raise KeyError(name)
        return job.body
