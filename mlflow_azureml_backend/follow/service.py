"""What following needs of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import ComputeState, JobDetails, LogPart, RunSummary


class JobService(Protocol):
    """The little that following needs of a workspace.

    Each call raises a WorkspaceError when it fails. They come from several threads.
    """

    def details(self, job_name: str, *, brief: bool = False) -> JobDetails:
        """Take one look at a job; `brief`: in one attempt with short timeouts."""

    def read_log(self, url: str, *, offset: int, size: int) -> LogPart:
        """Read part of a log file; nothing at its end."""

    def cancel(self, job_name: str) -> None:
        """Ask for a job's end."""

    def compute_state(self, name: str) -> ComputeState:
        """Ask what a compute is doing."""

    def last_metrics(self, job_name: str) -> Mapping[str, float]:
        """Give the last value of each metric."""

    def summary(self, job_name: str) -> RunSummary:
        """Give what the job logged."""
