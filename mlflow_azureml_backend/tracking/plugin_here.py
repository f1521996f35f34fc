"""azureml-mlflow on this machine, which MLflow needs for every `azureml://` store."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import mlflow

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.translate.plugin_releases import PLUGIN, packaged_releases


def check_plugin_here() -> None:
    """Make sure that MLflow can read a workspace's store on this machine.

    Raises:
        TrackingError: azureml-mlflow is not installed; says which release to install.
    """
    try:
        version(PLUGIN)
    except PackageNotFoundError as error:
        raise TrackingError(
            f"MLflow reads a workspace's store (azureml://) with {PLUGIN}, which is not installed "
            f"here. {fitting_release(mlflow.__version__, '.'.join(map(str, sys.version_info[:2])))}"
        ) from error


def fitting_release(mlflow_version: str, python: str) -> str:
    """Say which release of azureml-mlflow to install beside an MLflow.

    Args:
        mlflow_version: The MLflow of this machine.
        python: Its Python, as `3.11`.
    """
    releases = packaged_releases()
    usable = [release for release in releases.releases if python in release.python]
    for release in usable:
        if mlflow_version in release.mlflow:
            return (
                f"Install the release for MLflow {mlflow_version}: "
                f"pip install '{PLUGIN}=={release.version}'"
            )
    newest = usable[0]
    return (
        f"No release is made for MLflow {mlflow_version}. Install one for the newest that has one: "
        f"pip install '{PLUGIN}=={newest.version}' 'mlflow<={releases.newest_mlflow}'. Or keep "
        "MLflow, and a tracking URI that is not azureml://: the run is mirrored there."
    )
