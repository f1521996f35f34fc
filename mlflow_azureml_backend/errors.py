"""The one tree of errors a user can meet.

::

    AzureMLBackendError                 root; an ExecutionException: `mlflow run` prints it cleanly
    ├── ConfigError                     the backend config is wrong
    ├── ProjectError                    the MLproject, its entry point or its parameters are wrong
    ├── EnvironmentSpecError            the project's environment file is wrong or cannot work
    ├── WorkspaceError                  the workspace did not let us do what we asked
    │   ├── AuthenticationError         no credential, or not an accepted one
    │   ├── ForbiddenError              the credential is known but may not do this
    │   ├── NotFoundError               workspace, compute, environment or job does not exist
    │   ├── QuotaError                  throttled, or out of quota
    │   └── UnavailableError            could not be reached, or answered with a server error
    ├── SubmissionError                 the job was refused
    ├── DryRunError                     nothing was submitted, as `dry_run` asked
    ├── FollowError                     contact with a running job was lost
    └── TrackingError                   the MLflow store refused the run

A job that failed is an outcome, not an error, until MLflow turns it into one (`JobFailedError`).
"""

from __future__ import annotations

from mlflow.exceptions import ExecutionException


class AzureMLBackendError(ExecutionException):
    """Root of everything this package raises on purpose."""


class ConfigError(AzureMLBackendError):
    """The backend config is wrong; nothing was created."""


class ProjectError(AzureMLBackendError):
    """The project, its entry point or its parameters are wrong; nothing was created."""


class EnvironmentSpecError(AzureMLBackendError):
    """The project's environment is wrong or cannot work; nothing was created."""


class WorkspaceError(AzureMLBackendError):
    """The workspace did not let us do what we asked."""


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


class TrackingError(AzureMLBackendError):
    """The MLflow tracking store refused what we asked of it."""


class JobFailedError(AzureMLBackendError):
    """The job ended in another status than Completed.

    Raised only where MLflow wants an exception: at the end of a followed `mlflow run`.
    """
