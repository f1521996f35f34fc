"""The model registry of the user's own MLflow store."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.model_spec import WISH, ModelSpec, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_GIT = "mlflow.source.git."
_MODEL_FILE = "MLmodel"


def wish_tags(spec: ModelSpec | None) -> dict[str, str]:
    """Write down on a run what is to be registered when it has completed."""
    return {} if spec is None else {WISH: spec.as_text()}


def wish_of(tags: Mapping[str, str]) -> ModelSpec | None:
    """Read from a run's tags what is to be registered, or None.

    Raises:
        TrackingError: Somebody wrote something else into the tag.
    """
    text = tags.get(WISH)
    if not text:
        return None
    try:
        return ModelSpec.from_text(text)
    except ValueError as error:
        raise TrackingError(f"Run tag {WISH} cannot be read: {text!r}.") from error


def run_tags(run_id: str) -> dict[str, str]:
    """Read the tags of a run in the current store.

    Raises:
        TrackingError: The store does not answer, or has no such run.
    """
    from mlflow.tracking import MlflowClient

    with _store_errors(f"MLflow run '{run_id}' cannot be read"):
        return dict(MlflowClient().get_run(run_id).data.tags)


class StoreModels:
    """The registered models of the current MLflow store that come from one run.

    Args:
        run_id: The run.
        bring: Downloads the files below a path of the run's job to a folder, where the store lacks
            them; gives their paths.
    """

    def __init__(
        self, run_id: str, *, bring: Callable[[str, Sequence[str], Path], Sequence[str]]
    ) -> None:
        from mlflow.tracking import MlflowClient

        self._run_id = run_id
        self._bring = bring
        self._client = MlflowClient()

    def lineage(self) -> dict[str, str]:
        """Say which commit the run's project was at."""
        tags = run_tags(self._run_id)
        return {key: value for key, value in tags.items() if key.startswith(_GIT)}

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Give the versions that come from the run, oldest first.

        Args:
            name: Only those of this registered model.
        """
        found: list[ModelVersion] = []
        token = None
        with _store_errors("The model registry cannot be searched"):
            while True:
                page = self._client.search_model_versions(
                    f"run_id='{self._run_id}'", page_token=token
                )
                found += [_version(item) for item in page if name in {None, item.name}]
                token = page.token
                if not token:
                    break
        return sorted(found, key=lambda version: (version.name, int(version.version)))

    def create(self, name: str, path: str, tags: Mapping[str, str]) -> ModelVersion:
        """Register the run's model as a new version, and wait until it is ready.

        Args:
            name: The registered model; made when it is missing.
            path: Where the model is in the run.
            tags: Tags of the version.

        Raises:
            TrackingError: There is no MLflow model, or the registry refused.
        """
        import mlflow

        with _store_errors(f"'{path}' of run '{self._run_id}' cannot be registered as '{name}'"):
            self._complete(path)
            made = mlflow.register_model(f"runs:/{self._run_id}/{path}", name, tags=dict(tags))
        return _version(made)

    def delete(self, version: ModelVersion) -> None:
        """Take a version back."""
        with _store_errors(f"{version.uri} cannot be deleted"):
            self._client.delete_model_version(version.name, version.version)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let an alias point to a version."""
        with _store_errors(f"{version.uri} is registered, but cannot be called '{alias}'"):
            self._client.set_registered_model_alias(version.name, alias, version.version)

    def read(self, version: ModelVersion) -> ModelVersion:
        """Read a version anew."""
        with _store_errors(f"{version.uri} cannot be read"):
            return _version(self._client.get_model_version(version.name, version.version))

    def _complete(self, path: str) -> None:
        """Bring the files of the model that the mirror left out for their size."""
        there = list(self._files(path))
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-") as folder:
            for file in self._bring(path, there, Path(folder)):
                self._client.log_artifact(
                    self._run_id, str(Path(folder) / file), file.rpartition("/")[0]
                )
                there.append(file)
        if f"{path}/{_MODEL_FILE}" not in there and not self._is_logged_model(path):
            raise TrackingError(
                f"Run '{self._run_id}' has no MLflow model at '{path}': there is no "
                f"{path}/{_MODEL_FILE}. A model that the job logged with MLflow 3, and that is not "
                "in this store, can be registered in the workspace: --registry workspace."
            )

    def _files(self, path: str) -> Iterator[str]:
        for found in self._client.list_artifacts(self._run_id, path):
            if found.is_dir:
                yield from self._files(found.path)
            else:
                yield found.path

    def _is_logged_model(self, name: str) -> bool:
        """Tell whether the store has a logged model of the run by that name (MLflow 3)."""
        if not hasattr(self._client, "search_logged_models"):
            return False
        experiment = self._client.get_run(self._run_id).info.experiment_id
        found = self._client.search_logged_models(
            [experiment], filter_string=f"source_run_id = '{self._run_id}'"
        )
        return any(model.name == name for model in found)


def _version(item: Any) -> ModelVersion:
    return ModelVersion(
        name=item.name,
        version=str(item.version),
        status=str(item.status or "READY"),
        source=str(item.source or ""),
        run_id=str(item.run_id or ""),
        tags=dict(item.tags or {}),
        aliases=tuple(getattr(item, "aliases", None) or ()),
        link=_link(item.name, str(item.version)),
    )


def _link(name: str, version: str) -> str | None:
    from urllib.parse import quote

    from mlflow import get_registry_uri

    uri = str(get_registry_uri())
    if not uri.startswith(("http://", "https://")):
        return None
    return f"{uri.rstrip('/')}/#/models/{quote(name, safe='')}/versions/{version}"


@contextmanager
def _store_errors(doing: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except TrackingError:
        raise
    except MlflowException as error:
        raise TrackingError(f"{doing}: {error.message}") from error
