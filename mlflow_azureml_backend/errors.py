"""The one tree of errors a user can meet.

::

    AzureMLBackendError                 root; an ExecutionException: `mlflow run` prints it cleanly
    ├── ConfigError                     the backend config is wrong
    ├── ProjectError                    the MLproject, its entry point or its parameters are wrong
    ├── EnvironmentSpecError            the project's environment file is wrong or cannot work
    │   └── LockError                   it cannot be locked, or its lock no longer fits
    ├── ImageError                      the environment's image could not be built or pushed here
    ├── WorkspaceError                  the workspace did not let us do what we asked
    │   ├── AuthenticationError         no credential, or not an accepted one
    │   ├── ForbiddenError              the credential is known but may not do this
    │   ├── NotFoundError               workspace, compute, environment or job does not exist
    │   ├── QuotaError                  throttled, or out of quota
    │   └── UnavailableError            could not be reached, or answered with a server error
    ├── SubmissionError                 the job was refused
    ├── BatchError                      some of many runs were not submitted
    ├── DryRunError                     nothing was submitted, as `dry_run` asked
    ├── FollowError                     contact with a running job was lost
    │   └── DetachedError               Ctrl-C, where the config says `"on_interrupt": "detach"`
    └── TrackingError                   the MLflow store refused the run

A job that failed is an outcome, not an error, until MLflow turns it into one (`JobFailedError`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.exceptions import ExecutionException

if TYPE_CHECKING:
    from collections.abc import Sequence


class AzureMLBackendError(ExecutionException):
    """Root of everything this package raises on purpose."""


class ConfigError(AzureMLBackendError):
    """The backend config is wrong; nothing was created."""


class ProjectError(AzureMLBackendError):
    """The project, its entry point or its parameters are wrong; nothing was created."""


class EnvironmentSpecError(AzureMLBackendError):
    """The project's environment is wrong or cannot work; nothing was created."""


class LockError(EnvironmentSpecError):
    """The environment cannot be locked, or its lock no longer fits; nothing was created."""


class ImageError(AzureMLBackendError):
    """An image could not be built on this machine or brought into its registry; there is no run."""


class WorkspaceError(AzureMLBackendError):
    """The workspace did not let us do what we asked.

    Attributes:
        retry_after: Seconds after which the service wants to be asked again, where it said so.
    """

    retry_after: float | None = None


class AuthenticationError(WorkspaceError):
    """No credential was found, or the one found was not accepted."""


class ForbiddenError(WorkspaceError):
    """The credential is known but lacks a role."""


class NotFoundError(WorkspaceError):
    """A workspace, compute, environment or job does not exist."""


class QuotaError(WorkspaceError):
    """The service throttled us or a quota is used up."""


class UnavailableError(WorkspaceError):
    """The service could not be reached or answered with a server error."""


class SubmissionError(AzureMLBackendError):
    """The service refused the job."""


class BatchError(AzureMLBackendError):
    """Some of many runs were not submitted; the others are, and go on.

    Args:
        message: Which were not, and why.
        submitted: The runs that were, as `mlflow.projects.run` gives them.
    """

    def __init__(self, message: str, *, submitted: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.submitted = tuple(submitted)


class DryRunError(AzureMLBackendError):
    """Nothing was submitted, as `dry_run` asked; a run that MLflow could track does not exist.

    Args:
        job_yaml: The job, as `az ml job create -f` takes it.
    """

    def __init__(self, job_yaml: str) -> None:
        super().__init__("Nothing was submitted: the backend config says dry_run.")
        self.job_yaml = job_yaml


class FollowError(AzureMLBackendError):
    """Contact with a job was lost; the job itself goes on."""


class DetachedError(FollowError):
    """The user let go of a job with Ctrl-C; the job itself goes on.

    It is no KeyboardInterrupt: MLflow cancels the run when it meets one.
    """


class TrackingError(AzureMLBackendError):
    """The MLflow tracking store refused what we asked of it."""


class JobFailedError(AzureMLBackendError):
    """The job ended in another status than Completed.

    Raised only where MLflow wants an exception: at the end of a followed `mlflow run`.
    """
