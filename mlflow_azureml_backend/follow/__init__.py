"""Follow a job: its status, its log lines, its outcome."""

from mlflow_azureml_backend.follow.display import ConsoleDisplay, Display, SilentDisplay
from mlflow_azureml_backend.follow.follower import Follower, JobService

__all__ = ["ConsoleDisplay", "Display", "Follower", "JobService", "SilentDisplay"]
