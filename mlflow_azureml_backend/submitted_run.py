"""The run that MLflow hands back to the user."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.projects.submitted_run import SubmittedRun

from mlflow_azureml_backend.card import Card
from mlflow_azureml_backend.errors import AzureMLBackendError, DetachedError, WorkspaceError
from mlflow_azureml_backend.follow import Follower, LogSelection, display_for
from mlflow_azureml_backend.following import Following
from mlflow_azureml_backend.job import RunOutcome
from mlflow_azureml_backend.notebook import LiveCard, in_notebook
from mlflow_azureml_backend.remote_job import find_job, request_cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow_azureml_backend.follow import Display
    from mlflow_azureml_backend.job import JobDetails, JobHandle, JobStatus
    from mlflow_azureml_backend.remote_job import RunService
    from mlflow_azureml_backend.tracking import TrackingSession
    from mlflow_azureml_backend.workspace import Workspace


_EVERYTHING = LogSelection()


class AzureMLSubmittedRun(SubmittedRun):
    """One job on Azure ML, as MLflow's SubmittedRun contract wants it.

    Args:
        service: The workspace that the job runs in.
        handle: The job.
        session: The MLflow run.
        display: Where `wait` shows the job's status and log lines.
        selection: Which lines `wait` shows.
        queue_timeout: Seconds after which `wait` cancels a job that has not started, or None.
        on_interrupt: What a Ctrl-C in `wait` comes to. `cancel`: a KeyboardInterrupt, upon which
            MLflow calls `cancel`; `detach`: a DetachedError, upon which it does nothing.
        on_completed: Called when the job has completed, until it succeeds once; gives a line to
            show, or None.
    """

    def __init__(
        self,
        service: RunService,
        handle: JobHandle,
        session: TrackingSession,
        *,
        display: Display,
        selection: LogSelection = _EVERYTHING,
        queue_timeout: float | None = None,
        on_interrupt: str = "cancel",
        on_completed: Callable[[], str | None] = lambda: None,
    ) -> None:
        super().__init__()
        self._service = service
        self._handle = handle
        self._session = session
        self._display = display
        self._selection = selection
        self._queue_timeout = queue_timeout
        self._on_interrupt = on_interrupt
        self._on_completed = on_completed
        self._details: JobDetails | None = None
        self._outcome: RunOutcome | None = None
        self._ending = threading.Lock()
        self._concluded = False
        self._following = self._followed_by(display)

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
        return self._look().status

    @property
    def outcome(self) -> RunOutcome | None:
        """How the job ended, once `wait` or `get_status` has seen it."""
        return self._outcome

    def wait(self) -> bool:
        """Follow the job to its end, showing its log; complete the MLflow run.

        Any number of threads may wait. In a notebook the run's card stands above the log.

        Returns:
            Whether the job completed.

        Raises:
            FollowError: Contact was lost, or let go of by Ctrl-C (DetachedError); the job goes on.
            TrackingError: The MLflow run could not be completed; `attach` tries it again.
        """
        try:
            return self._wait_for(self._following)
        except KeyboardInterrupt:
            if self._on_interrupt != "detach":
                raise
            raise DetachedError(self._way_back("is running on")) from None

    def stream_logs(self, *, selection: LogSelection = _EVERYTHING) -> None:
        """Print the job's log from its first line until the job has ended, as `jobs.stream` does.

        It prints to what `sys.stdout` is now, a notebook's cell for instance, also where the
        config says `"stream": false`, and completes the MLflow run.

        Args:
            selection: Which lines.

        Raises:
            FollowError: Contact was lost; the job goes on.
        """
        self._wait_for(self._followed_by(display_for(stream=True), selection))

    def show_log(self) -> None:
        """Show what the job has printed so far."""
        Follower(self._service, self.job_name, self._display, selection=self._selection).show_log()

    def get_status(self) -> str:
        """Name the MLflow RunStatus of the job; complete the MLflow run when the job has ended.

        Code that was written for azureml-mlflow's runs asks
        `run.get_status().lower() in ["finished", "failed"]`; that works here too.
        """
        if self._outcome is None:
            details = self._look()
            if not details.status.is_terminal:
                return details.status.to_run_status()
            self._end(RunOutcome(status=details.status, error=details.error))
        if self._outcome is None:
            return "UNKNOWN"
        self._conclude(self._outcome)
        return self._outcome.status.to_run_status()

    def cancel(self) -> None:
        """Cancel the job and wait for its end, as MLflow's local backend does.

        A Ctrl-C meanwhile lets go of the job at once.

        Raises:
            FollowError: The service took no cancellation for ten minutes; the job goes on.
            WorkspaceError: The service refuses to cancel the job.
        """
        try:
            self._display.note(f"Cancelling job {self.job_name}. Ctrl-C again: leave it.")
            request_cancel(self._service, self.job_name, self._display)
            self._wait_for(self._following)
        except KeyboardInterrupt:
            self.detach("is being cancelled")
            raise

    def detach(self, state: str = "is running on") -> None:
        """Stop following and tell how to attach again; the job goes on.

        Args:
            state: What becomes of the job, for the message.
        """
        self._following.stop()
        # The terminal that this would go to may be the reason.
        with contextlib.suppress(OSError):
            self._display.note(self._way_back(state))

    def download(self, path: str | None = None, dest: str | Path = ".") -> Path:
        """Download artifacts of the job's run.

        Args:
            path: One artifact or folder; default: all.
            dest: Folder that they go to, below their paths in the run.

        Returns:
            Where `path` is now.

        Raises:
            NotFoundError: The run has no such artifact.
            WorkspaceError: Not all of them could be read.
        """
        root, wanted = Path(dest), (path or "").strip("/")
        paths = (wanted,) if wanted else ()
        files = self._service.download(self.job_name, paths=paths, dest=root)
        lacking = [f"{file.path}: {file.error}" for file in files if file.error]
        if lacking:
            raise WorkspaceError("Not everything could be downloaded. " + "; ".join(lacking))
        return root / wanted

    def _followed_by(self, display: Display, selection: LogSelection | None = None) -> Following:
        def on_look(details: JobDetails) -> None:
            self._details = details
            self._session.update()

        def on_end(outcome: RunOutcome) -> None:
            try:
                self._end(outcome)
            finally:
                # How the job ended is no secret of a store that is down.
                display.outcome(outcome)
            self._conclude(outcome)

        return Following(
            self._service,
            self.job_name,
            display,
            selection=selection or self._selection,
            queue_timeout=self._queue_timeout,
            link=self.studio_url,
            on_look=on_look,
            on_end=on_end,
        )

    def _wait_for(self, following: Following) -> bool:
        card = LiveCard(self._card) if self._display.detailed and in_notebook() else None
        if card is None:
            return following.wait(lambda: None).succeeded
        card.refresh(now=True)
        try:
            return following.wait(card.refresh).succeeded
        finally:
            card.refresh(now=True)

    def _way_back(self, state: str) -> str:
        return (
            f"Detached: job {self.job_name} {state}. "
            f"Attach again with: mlflow-azureml logs -f {self.run_id}"
        )

    def _look(self) -> JobDetails:
        self._details = self._service.details(self.job_name)
        return self._details

    def _end(self, outcome: RunOutcome) -> None:
        with self._ending:
            self._session.finish(outcome)
            self._outcome = outcome

    def _conclude(self, outcome: RunOutcome) -> None:
        with self._ending:
            if outcome.succeeded and not self._concluded:
                line = self._on_completed()
                self._concluded = True
                if line:
                    self._display.note(line)

    def _repr_html_(self) -> str:
        """Give notebooks the run's card, with the job's status as it is now."""
        if self._outcome is None:
            with contextlib.suppress(AzureMLBackendError):
                self._look()
        return self._card()

    def _card(self) -> str:
        details, outcome = self._details, self._outcome
        return Card.of_run(
            self.run_id,
            self._handle,
            status=outcome.status if outcome else details.status if details else None,
            error=outcome.error if outcome else None,
        ).to_html()


def attach(
    run_id: str, *, display: Display | None = None, selection: LogSelection = _EVERYTHING
) -> AzureMLSubmittedRun:
    """Give the submitted run of an MLflow run in the current tracking store.

    Its `wait` shows the whole log and completes the MLflow run, even if the job ended long ago, and
    whenever the process that submitted it ended. Ctrl-C only stops the following.

    Args:
        run_id: The MLflow run.
        display: Where `wait` shows status and log; default: the console.
        selection: Which log lines `wait` shows.

    Raises:
        TrackingError: There is no such run, or it was not submitted by this backend.
        SubmissionError: Its job was never submitted; the MLflow run is ended as FAILED.
        WorkspaceError: The job's workspace is out of reach.
    """
    from mlflow.tracking import get_tracking_uri

    from mlflow_azureml_backend.registration import wished_registration
    from mlflow_azureml_backend.tracking import handle_of_run, reopen_run, with_children
    from mlflow_azureml_backend.tracking.choice import is_workspace_store
    from mlflow_azureml_backend.workspace import connect

    handle = handle_of_run(run_id)
    workspace = connect(handle.workspace)
    display = display or display_for(stream=True)
    if handle.machine is not None:
        return attach_to_local(workspace, handle, run_id, display=display, selection=selection)
    session = reopen_run(
        run_id,
        job_run=workspace.tracked_run(handle.job_name),
        workspace=handle.workspace,
        tracking_uri=get_tracking_uri(),
        tell=display.note,
    )
    handle = find_job(workspace, handle, session)
    session = with_children(session, workspace, handle.job_name, tell=display.note)
    own = None if is_workspace_store(get_tracking_uri(), handle.workspace) else run_id
    return AzureMLSubmittedRun(
        workspace,
        handle,
        session,
        display=display,
        selection=selection,
        on_completed=wished_registration(workspace, handle, own),
    )


def attach_to_local(
    workspace: Workspace,
    handle: JobHandle,
    run_id: str | None,
    *,
    display: Display | None = None,
    selection: LogSelection = _EVERYTHING,
) -> AzureMLSubmittedRun:
    """Give the submitted run of a run without a job (`compute: local`).

    Args:
        workspace: The workspace that tracks it.
        handle: The run there.
        run_id: The run in the user's own store, or None where there is no other.
        display: Where `wait` shows status and log; default: the console.
        selection: Which log lines `wait` shows.
    """
    from mlflow.tracking import get_tracking_uri

    from mlflow_azureml_backend.local_run.start import reopen_local_run

    found = reopen_local_run(workspace, handle, run_id, tracking_uri=get_tracking_uri())
    display = display or display_for(stream=True)
    if not found.service.is_here:
        display.note(
            f"The run is of the machine '{handle.machine}', where its log can be followed; here it "
            f"is seen when it has ended. If that machine is gone: mlflow-azureml cancel {run_id}"
        )
    return AzureMLSubmittedRun(
        found.service, handle, found.session, display=display, selection=selection
    )
