"""Which workspace a run belongs to, from everything that may name one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.schema import WorkspaceConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EMULATOR, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Mapping

# The variables that name a workspace, most specific first: those that Azure ML sets inside its
# jobs and compute instances, then those that people set by hand and in CI.
_VARIABLES = (
    ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME"),
    ("AZUREML_SUBSCRIPTION_ID", "AZUREML_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"),
    ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_WORKSPACE_NAME"),
)

# Where azure-ai-ml looks in a folder.
_CONFIG_FILES = ("config.json", ".azureml/config.json")

# SUBSCRIPTION/GROUP/WORKSPACE, the subscription as its id.
_TRIPLE = re.compile(
    r"(?P<subscription_id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"/(?P<resource_group>[^/\\]+)/(?P<workspace_name>[^/\\]+)"
)

_HOW = (
    'Name it in the backend config: {"workspace": {"subscription_id": …, "resource_group": …, '
    '"workspace_name": …}}, a path to an Azure ML config.json, or "emulator" to run offline. '
    "Or set an azureml:// tracking URI, or the variables AZUREML_SUBSCRIPTION_ID, "
    "AZUREML_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME, or put a config.json beside the project."
)


def locate_workspace(
    named: WorkspaceConfig | str | None,
    *,
    tracking_uri: str,
    environ: Mapping[str, str],
    project_root: Path,
) -> WorkspaceRef:
    """Find the workspace of a run.

    Args:
        named: The backend config's `workspace`.
        tracking_uri: MLflow's tracking URI; counts when it is `azureml://…`.
        environ: The process's environment variables.
        project_root: Where the search for a `config.json` starts, upward, as azure-ai-ml does.

    Raises:
        ConfigError: No workspace is named anywhere, or the file that names it is unreadable.
    """
    if isinstance(named, WorkspaceConfig):
        return WorkspaceRef(**named.model_dump())
    if named == "emulator":
        return EMULATOR
    if named is not None:
        said = WorkspaceRef.find_in(named) or _from_triple(named)
        return said or _from_file(_file_named(named, project_root))
    found = WorkspaceRef.find_in(tracking_uri) if tracking_uri.startswith("azureml:") else None
    found = found or _from_variables(environ) or _from_config_file_upward(project_root)
    if found is None:
        raise ConfigError(f"No workspace is named. {_HOW}")
    return found


def workspace_named(workspace: str | WorkspaceRef | None) -> WorkspaceRef | None:
    """Read a workspace as the user named it outside of a backend config.

    Args:
        workspace: `emulator`, the path of a `config.json`, an ARM id,
            `SUBSCRIPTION/GROUP/WORKSPACE`, or None.

    Raises:
        ConfigError: It names none.
    """
    if workspace is None or isinstance(workspace, WorkspaceRef):
        return workspace
    try:
        return locate_workspace(workspace, tracking_uri="", environ={}, project_root=Path.cwd())
    except ConfigError as error:
        raise ConfigError(
            f"--workspace {workspace}: name the emulator (`emulator`), the path of an Azure ML "
            "config.json, a workspace's ARM id (/subscriptions/…/workspaces/NAME), or "
            f"SUBSCRIPTION/GROUP/WORKSPACE. {str(error).partition('. Name it')[0]}."
        ) from error


def _from_triple(named: str) -> WorkspaceRef | None:
    match = _TRIPLE.fullmatch(named)
    return WorkspaceRef(**match.groupdict()) if match else None


def _from_variables(environ: Mapping[str, str]) -> WorkspaceRef | None:
    for subscription, group, name in _VARIABLES:
        if all(environ.get(variable) for variable in (subscription, group, name)):
            return WorkspaceRef(
                subscription_id=environ[subscription],
                resource_group=environ[group],
                workspace_name=environ[name],
            )
    return None


def _from_config_file_upward(project_root: Path) -> WorkspaceRef | None:
    for folder in (project_root, *project_root.parents):
        for candidate in (folder / name for name in _CONFIG_FILES):
            if candidate.is_file() and (found := _workspace_in(_load(candidate))):
                return found
    return None


def _file_named(named: str, project_root: Path) -> Path:
    """Find a file, or a folder's config file, from the working directory or from the project."""
    path = Path(named).expanduser()
    for base in (path, project_root / path):
        for candidate in (base, *(base / name for name in _CONFIG_FILES)):
            if candidate.is_file():
                return candidate
    return project_root / path


def _from_file(path: Path) -> WorkspaceRef:
    if not path.is_file():
        raise ConfigError(f"Backend config: workspace: there is no file {path}. {_HOW}")
    found = _workspace_in(_load(path))
    if found is None:
        raise ConfigError(
            f"Backend config: workspace: {path} does not name a workspace; it must hold "
            "subscription_id, resource_group and workspace_name."
        )
    return found


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The workspace file {path} cannot be read: {error}.") from error


def _workspace_in(content: Any) -> WorkspaceRef | None:
    """Read either form of config.json: the three names, or `Scope` with the ARM id."""
    if not isinstance(content, dict):
        return None
    scope = content.get("Scope") or content.get("scope")
    if isinstance(scope, str):
        return WorkspaceRef.find_in(scope)
    keys = ("subscription_id", "resource_group", "workspace_name")
    names = {key: content[key] for key in keys if isinstance(content.get(key), str)}
    return WorkspaceRef(**names) if len(names) == len(keys) and all(names.values()) else None
