"""The build context of an environment, brought from storage to whoever builds it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.places import locate
from mlflow_azureml_backend.emulator.jobs.storage import download_folder
from mlflow_azureml_backend.emulator.runtimes import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec


def with_build_context(
    emulation: Emulation, workspace: WorkspaceKey, environment: EnvironmentSpec
) -> EnvironmentSpec:
    """Give an environment along with what brings its build context, if it has one in storage.

    Args:
        emulation: has the storage.
        workspace: the environment's workspace.
        environment: the environment.
    """
    if environment.build is None:
        return environment
    uri = environment.build["contextUri"]

    def bring(folder: Path) -> None:
        try:
            place = locate(emulation.state, workspace, uri)
            if place is None or not download_folder(emulation.blobs, place, folder):
                raise BuildError(f"The build context '{uri}' is not in the workspace's storage.")
        except JobFailure as failure:
            raise BuildError(f"The build context: {failure.message}") from None

    return replace(environment, bring_context=bring)
