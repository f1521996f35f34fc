"""Register the model of a run: in the registry of the store that the run is in, once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from mlflow_azureml_backend.errors import AzureMLBackendError, TrackingError, WorkspaceError
from mlflow_azureml_backend.model_spec import MODEL_PATH, ModelSpec, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.job import JobHandle
    from mlflow_azureml_backend.workspace import Workspace


class ModelRegistry(Protocol):
    """The registered models that come from one run."""

    def lineage(self) -> Mapping[str, str]:
        """Say which commit the run's project was at."""

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Give the versions that come from the run, oldest first."""

    def create(self, name: str, path: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register the run's model as a new version, and wait until it is ready."""

    def delete(self, version: ModelVersion) -> None:
        """Take a version back."""

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let an alias point to a version."""

    def read(self, version: ModelVersion) -> ModelVersion:
        """Read a version anew."""


def registry_of(
    workspace: Workspace, handle: JobHandle, run_id: str | None, *, chosen: str | None = None
) -> ModelRegistry:
    """Choose the registry of a run's models.

    Args:
        workspace: The job's workspace.
        handle: The job.
        run_id: The MLflow run in the user's own store, or None where the workspace's is the only
            one.
        chosen: `store`, `workspace`, or None for the one of the store that the run is in.

    Raises:
        TrackingError: The user's store is wanted and has no run of the job.
    """
    if chosen == "workspace" or (chosen is None and run_id is None):
        return workspace.models(handle.job_name)
    if run_id is None:
        raise TrackingError(
            f"The MLflow store has no run of job '{handle.job_name}' to register a model of; "
            "the workspace has: --registry workspace."
        )
    from mlflow_azureml_backend.tracking.model_registry import StoreModels

    def bring(path: str, there: Sequence[str], folder: Path) -> list[str]:
        return workspace.bring_artifacts(handle.job_name, path, there=there, dest=folder)

    return StoreModels(run_id, bring=bring)


def register_model(
    registry: ModelRegistry, spec: ModelSpec, *, lineage: Mapping[str, str]
) -> ModelVersion:
    """Register a run's model; give the version that it is already, where it was registered before.

    Args:
        registry: Where to.
        spec: What.
        lineage: Tags that say where the run comes from.

    Raises:
        AzureMLBackendError: The run has no such model, or the registry refused.
    """
    path = spec.path.strip("/")
    known = [version for version in registry.versions(spec.name) if version.is_of(path)]
    if known:
        version = registry.read(known[0])  # a search does not tell aliases
    else:
        tags = {**registry.lineage(), **lineage, MODEL_PATH: path, **spec.tags}
        version = _first(registry, registry.create(spec.name, path, tags), path)
    if spec.alias and spec.alias not in version.aliases:
        registry.set_alias(version, spec.alias)
        version = registry.read(version)
    return version


def _first(registry: ModelRegistry, made: ModelVersion, path: str) -> ModelVersion:
    """Give way to a process that completes the same run and was faster."""
    same = [version for version in registry.versions(made.name) if version.is_of(path)]
    if not same or same[0].version == made.version:
        return made
    with suppress(AzureMLBackendError):
        registry.delete(made)
    return same[0]


def wished_registration(
    workspace: Workspace, handle: JobHandle, run_id: str | None
) -> Callable[[], str | None]:
    """Give what registers the model that the run's config asks for, once the job has completed.

    It gives a line to show, or None where nothing is asked for.

    Args:
        workspace: The job's workspace.
        handle: The job.
        run_id: As for `registry_of`.
    """
    from mlflow_azureml_backend.tracking.handle_tags import tags_of
    from mlflow_azureml_backend.tracking.model_registry import run_tags, wish_of

    def register() -> str | None:
        tags = workspace.run_tags(handle.job_name) if run_id is None else run_tags(run_id)
        spec = wish_of(tags)
        if spec is None:
            return None
        try:
            # Where the workspace is the store, either word means it.
            chosen = None if run_id is None else spec.registry
            registry = registry_of(workspace, handle, run_id, chosen=chosen)
            version = register_model(registry, spec, lineage=tags_of(handle))
        except (TrackingError, WorkspaceError) as error:
            shown = run_id or handle.job_name
            raise TrackingError(
                f"The job completed, but its model is not registered. {error} Then try it again "
                f"with: mlflow-azureml register {shown} --path {spec.path} --name {spec.name}"
            ) from error
        where = f": {version.link}" if version.link else ""
        return f"Model        {version.name} version {version.version}{where}"

    return register
