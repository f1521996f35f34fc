"""A workspace as the MLflow store of this process, or of a shell: to log to it from anywhere."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.location import workspace_named
from mlflow_azureml_backend.errors import TrackingError

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.workspace import Workspace


def tracking_uri(workspace: str | WorkspaceRef | None = None) -> str:
    """Give the `azureml://` tracking URI of a workspace.

    Args:
        workspace: `emulator`, the path of a `config.json`, an ARM id or
            `SUBSCRIPTION/GROUP/WORKSPACE`. None: the one that a run without `workspace` in its
            config would find.

    Raises:
        ConfigError: No workspace is named in a way that can be read.
        WorkspaceError: It does not exist, or is out of reach.
    """
    return _opened(workspace).tracking_uri


def tracking_variables(workspace: str | WorkspaceRef | None = None) -> dict[str, str]:
    """Give the environment variables by which a program logs to a workspace.

    For a workspace in Azure that is the tracking URI: azureml-mlflow signs in as azure-identity's
    DefaultAzureCredential does. For the emulator it is also the way to it and the credential that
    is valid nowhere else.

    Args:
        workspace: As for `tracking_uri`.

    Raises:
        ConfigError: No workspace is named in a way that can be read.
        WorkspaceError: It does not exist, or is out of reach.
    """
    opened = _opened(workspace)
    variables = dict(opened.variables)
    if variables:
        # The emulator names its first workspace; this may be another one.
        ref = opened.ref
        variables |= {
            "AZUREML_ARM_SUBSCRIPTION": ref.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": ref.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": ref.workspace_name,
        }
    return {**variables, "MLFLOW_TRACKING_URI": opened.tracking_uri}


def set_tracking(workspace: str | WorkspaceRef | None = None) -> str:
    """Let MLflow in this process, and in those it starts, log to a workspace.

    Args:
        workspace: As for `tracking_uri`.

    Returns:
        The tracking URI.

    Raises:
        ConfigError: No workspace is named in a way that can be read.
        WorkspaceError: It does not exist, or is out of reach.
        TrackingError: azureml-mlflow is not installed or cannot work; says what to install.
    """
    import mlflow

    lacking = plugin_lacks()
    if lacking:
        raise TrackingError(lacking)
    variables = tracking_variables(workspace)
    os.environ.update(variables)
    uri = variables["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(uri)
    return uri


def plugin_lacks() -> str | None:
    """Say what to install before MLflow here understands `azureml://` URIs; None: nothing."""
    import mlflow

    from mlflow_azureml_backend.translate.plugin_on_client import what_plugin_lacks
    from mlflow_azureml_backend.translate.plugin_releases import PLUGIN, packaged_releases

    try:
        installed: str | None = metadata.version(PLUGIN)
    except metadata.PackageNotFoundError:
        installed = None
    return what_plugin_lacks(
        installed,
        mlflow=str(mlflow.__version__),
        python=platform.python_version(),
        releases=packaged_releases(),
    )


def _opened(workspace: str | WorkspaceRef | None) -> Workspace:
    from mlflow_azureml_backend.workspace import connect

    return connect(workspace_named(workspace) or _discovered())


def _discovered() -> WorkspaceRef:
    from mlflow import get_tracking_uri

    return locate_workspace(
        None, tracking_uri=get_tracking_uri(), environ=os.environ, project_root=Path.cwd()
    )
