"""Look for what keeps a run from working, and say what to do about it."""

from mlflow_azureml_backend.diagnosis.all_checks import doctor
from mlflow_azureml_backend.diagnosis.finding import Finding, State

__all__ = ["Finding", "State", "doctor"]
