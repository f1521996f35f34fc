"""The MLflow run of a pipeline: the run of its job, and each step as a child run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from mlflow_azureml_backend.tracking.child_runs import ChildJob
from mlflow_azureml_backend.tracking.parent_session import ChildService, ParentSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import JobDetails, JobHandle
    from mlflow_azureml_backend.pipeline import PipelineSpec, StepState
    from mlflow_azureml_backend.tracking.session import TrackingSession

_logger = logging.getLogger(__name__)

STEPS = "azureml/steps.json"
"""The artifact that keeps what each step was given, for whoever follows the job later."""
STEP = "azureml.step"
# What the run of a project says of where it comes from, which is the same for its steps.
_OF_THE_PROJECT = (
    mlflow_tags.MLFLOW_USER,
    mlflow_tags.MLFLOW_SOURCE_NAME,
    mlflow_tags.MLFLOW_SOURCE_TYPE,
    mlflow_tags.MLFLOW_PROJECT_BACKEND,
    mlflow_tags.MLFLOW_GIT_COMMIT,
    mlflow_tags.MLFLOW_GIT_REPO_URL,
    mlflow_tags.MLFLOW_GIT_BRANCH,
)


class PipelineService(ChildService, Protocol):
    """The little that a pipeline's run needs of the workspace."""

    def details(self, job_name: str) -> JobDetails:
        """Take one look at a job and its steps."""


class PipelineSession(ParentSession):
    """Keep a child run for each step that has begun.

    Args:
        session: The run of the pipeline's job.
        service: The workspace.
        job_name: The pipeline's job.
        pipeline: What is being submitted; None for a job that was submitted before.
    """

    children = "steps"

    def __init__(
        self,
        session: TrackingSession,
        service: PipelineService,
        job_name: str,
        *,
        pipeline: PipelineSpec | None = None,
    ) -> None:
        super().__init__(session, service, job_name)
        self._service = service
        self._given: Mapping[str, Any] | None = None
        self._project: dict[str, str] = {}
        self._described: set[str] = set()
        if pipeline is not None:
            self._given = {
                name: {"entry_point": step.entry_point, "parameters": dict(step.parameters)}
                for name, step in pipeline.steps.items()
            }

    def submitted(self, handle: JobHandle) -> None:
        """Tie the run to its job, and write down what the steps were given."""
        super().submitted(handle)
        if self._given is None:
            return
        try:
            MlflowClient().log_text(self.run_id, json.dumps(self._given, indent=1), STEPS)
        except Exception as error:  # noqa: BLE001  # each kind of artifact store has its own errors
            _logger.warning("%s could not be logged to run '%s': %s", STEPS, self.run_id, error)

    def _look(self) -> None:
        steps = self._service.details(self._job_name).steps or ()
        begun = [self._child(step) for step in steps if step.status.has_started]
        if self._mirror is not None:
            self._mirror.mirror(begun)
            return
        for child in begun:
            if child.job_name not in self._described:
                self._describe(child)

    def _describe(self, child: ChildJob) -> None:
        """Say of a step's own run what it is; one that never came to be fails nothing."""
        try:
            MlflowClient().log_batch(
                child.job_name,
                params=[Param(name, value) for name, value in child.params.items()],
                tags=[RunTag(name, value) for name, value in child.tags.items()],
            )
        except MlflowException as error:
            _logger.debug("The run of step '%s' waits: %s", child.name, error)
        else:
            self._described.add(child.job_name)

    def _child(self, step: StepState) -> ChildJob:
        given = self._what_was_given().get(step.name) or {}
        tags = {**self._project, STEP: step.name}
        if "entry_point" in given:
            tags[mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT] = given["entry_point"]
        return ChildJob(
            job_name=step.job_name,
            name=step.name,
            status=step.status,
            params=given.get("parameters") or {},
            tags=tags,
            error=step.error,
        )

    def _what_was_given(self) -> Mapping[str, Any]:
        """Read what the steps were given, if another process has submitted the job."""
        client = MlflowClient()
        if not self._project:
            tags = client.get_run(self.run_id).data.tags
            self._project = {name: tags[name] for name in _OF_THE_PROJECT if name in tags}
        if self._given is None:
            try:
                with TemporaryDirectory(prefix="mlflow-azureml-") as folder:
                    file = client.download_artifacts(self.run_id, STEPS, folder)
                    self._given = json.loads(Path(file).read_text(encoding="utf-8"))
            except Exception as error:  # noqa: BLE001  # each kind of artifact store has its own errors
                _logger.debug("%s of run '%s' cannot be read: %s", STEPS, self.run_id, error)
                self._given = {}
        return self._given or {}
