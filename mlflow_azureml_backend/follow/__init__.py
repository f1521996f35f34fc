"""Follow a job: its status, its log lines, its outcome."""

from mlflow_azureml_backend.follow.display import (
    Display,
    LineKind,
    LogLine,
    Progress,
    SilentDisplay,
    display_for,
)
from mlflow_azureml_backend.follow.follower import Follower, JobService
from mlflow_azureml_backend.follow.selection import LogSelection

__all__ = [
    "Display",
    "Follower",
    "JobService",
    "LineKind",
    "LogLine",
    "LogSelection",
    "Progress",
    "SilentDisplay",
    "display_for",
]
