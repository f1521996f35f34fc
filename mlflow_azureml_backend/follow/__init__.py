"""Follow a job: its status, its log lines, its outcome."""

from mlflow_azureml_backend.follow.display import (
    Display,
    LineKind,
    LogLine,
    Progress,
    SilentDisplay,
    display_for,
)
from mlflow_azureml_backend.follow.follower import Follower
from mlflow_azureml_backend.follow.selection import LogSelection
from mlflow_azureml_backend.follow.service import JobService

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
