"""All checks, in the order in which one stands on the other."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config import locate_workspace, read_backend_config
from mlflow_azureml_backend.config.location import workspace_named
from mlflow_azureml_backend.diagnosis import azure, tools, versions
from mlflow_azureml_backend.diagnosis.finding import Check, Finding, State, run_checks
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.job import WorkspaceRef

_SERVICE_SECONDS = 40.0


def doctor(
    backend_config: str | Path | Mapping[str, Any] | None = None,
    *,
    workspace: str | WorkspaceRef | None = None,
) -> Iterator[Finding]:
    """Look at everything that a run needs, one thing after the other; never raises, never hangs.

    Args:
        backend_config: The config of the run that does not work: a JSON file, or its content.
        workspace: The workspace; default: that of the config, else as a run finds it.

    Yields:
        What was found, as soon as it is.
    """
    installed = versions.installed_versions()
    yield from run_checks(
        [
            Check(name="Python", look=versions.check_python),
            Check(name="packages", look=partial(versions.check_packages, installed)),
            Check(name="azureml-mlflow", look=partial(versions.check_plugin, installed)),
            Check(name="pairs", look=partial(versions.check_pairs, installed)),
            Check(name="requirements", look=partial(versions.check_requirements, installed)),
            Check(name="backend azureml", look=tools.check_backend, seconds=60.0),
            Check(name="tracking store", look=tools.check_store, seconds=20.0),
        ]
    )
    is_readable = True
    try:
        compute, ref = _asked(backend_config, workspace)
    except ConfigError as error:
        yield Finding(name="backend config", state=State.FAILURE, found=str(error), fix=_HOW)
        compute, ref, is_readable = None, None, False
    checks = [
        Check(
            name="emulator",
            look=partial(tools.check_emulator, is_wanted=ref is not None and ref.is_emulated),
        ),
        Check(name="credential", look=partial(azure.check_credentials, ref), seconds=20.0),
    ]
    if ref is not None:
        checks += [
            Check(
                name="workspace",
                look=partial(azure.check_workspace, ref),
                seconds=_SERVICE_SECONDS,
            ),
            Check(
                name="compute",
                look=partial(azure.check_compute, ref, compute),
                seconds=_SERVICE_SECONDS,
            ),
        ]
    elif is_readable:
        found = "none is named"
        yield Finding(name="workspace", state=State.WARNING, found=found, fix=_NAME_ONE)
    checks += [
        Check(name="docker", look=tools.check_docker),
        Check(name="conda tools", look=tools.check_conda),
    ]
    yield from run_checks(checks)


_HOW = "Correct the file; `mlflow-azureml schema` prints what it may hold."

_NAME_ONE = (
    "Name it with --workspace or in the backend config: `emulator`, the path of an Azure ML "
    "config.json, or an ARM id."
)


def _asked(
    backend_config: str | Path | Mapping[str, Any] | None, workspace: str | WorkspaceRef | None
) -> tuple[str | None, WorkspaceRef | None]:
    """Give the compute and the workspace that a run would use."""
    from mlflow_azureml_backend.tracking.search import current_store

    content, root = _content(backend_config)
    config, _ = read_backend_config(content)
    ref = workspace_named(workspace)
    if ref is None:
        try:
            ref = locate_workspace(
                config.workspace,
                tracking_uri=current_store(),
                environ=os.environ,
                project_root=root,
            )
        except ConfigError:
            if config.workspace is not None:
                raise
    return config.compute, ref


def _content(
    backend_config: str | Path | Mapping[str, Any] | None,
) -> tuple[Mapping[str, Any], Path]:
    if backend_config is None or not isinstance(backend_config, (str, Path)):
        return backend_config or {}, Path.cwd()
    path = Path(backend_config)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is not a JSON object.")
    return content, path.parent.resolve()
