"""The run that MLflow hands back to the user, and how to find it again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlflow.projects.submitted_run import SubmittedRun

from mlflow_azureml_backend.follow import ConsoleDisplay, Follower, SilentDisplay
from mlflow_azureml_backend.job import RunOutcome

if TYPE_CHECKING:
    from mlflow_azureml_backend.follow import Display, JobService
    from mlflow_azureml_backend.job import JobDetails, JobHandle, JobStatus
    from mlflow_azureml_backend.tracking import TrackingSession


class AzureMLSubmittedRun(SubmittedRun):
    """One job on Azure ML, as MLflow's SubmittedRun contract wants it.

    Args:
        service: The workspace that the job runs in.
        handle: The job.
        session: The MLflow run.
        display: Where `wait` shows the job's status and log lines.
        queue_timeout: Seconds after which `wait` cancels a job that has not started, or None.
    """

    def __init__(
        self,
        service: JobService,
        handle: JobHandle,
        session: TrackingSession,
        *,
        display: Display,
        queue_timeout: float | None = None,
    ) -> None:
        super().__init__()
        self._service = service
        self._handle = handle
        self._session = session
        self._display = display
        self._queue_timeout = queue_timeout
        self._outcome: RunOutcome | None = None
        self._following = threading.Lock()

    @property
    def run_id(self) -> str:
        """The MLflow run's id."""
        return self._session.run_id

    @property
    def job_name(self) -> str:
        """The Azure ML job's name."""
        return self._handle.job_name

    @property
    def studio_url(self) -> str | None:
        """Link to the job's page."""
        return self._handle.studio_url

    @property
    def job_status(self) -> JobStatus:
        """The job's status in the service's own spelling, asked for now."""
        return self._details().status

    @property
    def outcome(self) -> RunOutcome | None:
        """How the job ended, once `wait` or `get_status` has seen it."""
        return self._outcome

    def wait(self) -> bool:
        """Follow the job to its end, showing its log; complete the MLflow run.

        Returns:
            Whether the job completed.

        Raises:
            FollowError: Contact was lost; the job goes on.
        """
        with self._following:
            if self._outcome is None:
                outcome = self._follower().follow(lambda _details: self._session.update())
                self._end(outcome)
                self._display.outcome(outcome)
            return self._outcome is not None and self._outcome.succeeded

    def show_log(self) -> None:
        """Show what the job has printed so far."""
        self._follower().show_log()

    def get_status(self) -> str:
        """Name the MLflow RunStatus of the job; complete the MLflow run when the job has ended."""
        if self._outcome is None:
            details = self._details()
            if not details.status.is_terminal:
                return details.status.to_run_status()
            self._end(RunOutcome(status=details.status, error=details.error))
        return self._outcome.status.to_run_status() if self._outcome else "UNKNOWN"

    def cancel(self) -> None:
        """Cancel the job and wait for its end, as MLflow's local backend does."""
        self._service.cancel(self.job_name)
        self._display.note(f"Cancelling job {self.job_name}.")
        self.wait()

    def _follower(self) -> Follower:
        return Follower(
            self._service, self.job_name, self._display, queue_timeout=self._queue_timeout
        )

    def _details(self) -> JobDetails:
        return self._service.details(self.job_name)

    def _end(self, outcome: RunOutcome) -> None:
        self._session.finish(outcome)
        self._outcome = outcome


def attach(run_id: str, *, display: Display | None = None) -> AzureMLSubmittedRun:
    """Give the submitted run of an MLflow run in the current tracking store.

    Its `wait` shows the whole log and completes the MLflow run, even if the job ended long ago.

    Args:
        run_id: The MLflow run.
        display: Where `wait` shows status and log; default: the console.

    Raises:
        TrackingError: There is no such run, or it was not submitted by this backend.
        WorkspaceError: The job's workspace is out of reach.
    """
    from mlflow.tracking import get_tracking_uri

    from mlflow_azureml_backend.tracking import handle_of_run, reopen_run, with_trials
    from mlflow_azureml_backend.workspace import connect

    handle = handle_of_run(run_id)
    workspace = connect(handle.workspace)
    session = reopen_run(
        run_id,
        job_run=workspace.tracked_run(handle.job_name),
        workspace=handle.workspace,
        tracking_uri=get_tracking_uri(),
    )
    display = display or display_for(stream=True)
    session = with_trials(session, workspace, handle.job_name, tell=display.note)
    return AzureMLSubmittedRun(workspace, handle, session, display=display)


def display_for(*, stream: bool) -> Display:
    """Choose the display: the console, or none for `"stream": false`."""
    return ConsoleDisplay() if stream else SilentDisplay()
