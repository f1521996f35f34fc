"""A run at a glance, and what a download of it brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.metric_curve import json_number
from mlflow_azureml_backend.runs.state import as_text, seconds_between

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.metric_curve import MetricCurve
    from mlflow_azureml_backend.model_spec import ModelVersion
    from mlflow_azureml_backend.workspace.job_facts import JobFacts
    from mlflow_azureml_backend.workspace.local_file import DownloadedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription:
    """A run at a glance.

    Args:
        run_id: The MLflow run in the user's store, or the job's name where it is only in the
            workspace.
        workspace: Where the job is.
        facts: What the workspace knows of the job.
        params: Those of the user's own run as well.
        curves: Metric -> its history; of the first metrics by name.
        models: Versions of the run's models, in the registries of the store and the workspace.
        link: Link to the run's page in the user's MLflow server, or None.
        notes: What could not be read.
    """

    run_id: str
    workspace: WorkspaceRef
    facts: JobFacts
    params: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    curves: Mapping[str, MetricCurve] = field(default_factory=lambda: EMPTY)
    models: tuple[ModelVersion, ...] = ()
    link: str | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        facts, summary = self.facts, self.facts.summary
        return {
            "run_id": self.run_id,
            "job_name": facts.job_name,
            "status": facts.status.value,
            "mlflow_status": facts.status.to_run_status(),
            "error": facts.error,
            "name": facts.display_name,
            "experiment": facts.experiment_name,
            "workspace": self.workspace.arm_id,
            "compute": facts.compute,
            "command": facts.command,
            "created": as_text(facts.created),
            "started": as_text(facts.started),
            "ended": as_text(facts.ended),
            "seconds": seconds_between(facts.started, facts.ended),
            "studio_url": facts.studio_url,
            "mlflow_url": self.link,
            "tags": dict(facts.tags),
            "params": dict(self.params),
            "metrics": {key: json_number(value) for key, value in summary.metrics.items()},
            "curves": {key: curve.as_json() for key, curve in self.curves.items()},
            "artifacts": [{"path": file.path, "size": file.size} for file in summary.artifacts],
            "outputs": dict(summary.outputs),
            "models": [version.as_json() for version in self.models],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a download brought.

    Args:
        dest: The folder.
        files: What became of each file.
    """

    run_id: str
    job_name: str
    dest: Path
    files: tuple[DownloadedFile, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every file is there."""
        return not any(file.error for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "run_id": self.run_id,
            "job_name": self.job_name,
            "dest": str(self.dest),
            "complete": self.is_complete,
            "files": [
                {
                    "path": file.path,
                    "size": file.size,
                    "state": file.state.value,
                    "read": file.read,
                    "error": file.error,
                }
                for file in self.files
            ],
        }
