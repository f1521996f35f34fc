"""All that a job logged, brought to a run of the user's own store."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.tracking.artifact_listing import (
    ARTIFACT_LIST,
    NONE,
    NOT_MIRRORED,
    SMALL,
    listing,
    reason_to_stay,
)
from mlflow_azureml_backend.tracking.artifact_store import ArtifactStoreError, RunArtifacts
from mlflow_azureml_backend.tracking.handle_tags import MIRROR_ARTIFACTS, STUDIO_URL
from mlflow_azureml_backend.tracking.mirrored_artifacts import StoredSizes, copy_files
from mlflow_azureml_backend.tracking.mirrored_datasets import mirror_datasets
from mlflow_azureml_backend.tracking.mirrored_metrics import MirroredMetrics, as_json
from mlflow_azureml_backend.tracking.mirrored_models import MirroredModels
from mlflow_azureml_backend.tracking.mirrored_texts import MirroredTexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.tracking.refusals import Refusal
    from mlflow_azureml_backend.tracking.source_run import SourceRun

_logger = logging.getLogger(__name__)

_NAMED_IN_MESSAGE = 5
_MANY_POINTS, _MANY_FILES = 10_000, 1_000
# What a server before MLflow 3 says to what it does not know.
_UNKNOWN_TO_STORE = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"})


class Mirror:
    """Bring a run up to date with its source, again and again; what is there is not sent again.

    Args:
        client: MLflow's client of the user's store.
        run_id: The user's run.
        source: The job's run.
    """

    def __init__(self, client: MlflowClient, run_id: str, source: SourceRun) -> None:
        self._client = client
        self._run_id = run_id
        self._source = source
        self._texts = MirroredTexts(client, run_id)
        self._metrics = MirroredMetrics(client, run_id, source)
        self._files = 0

    @property
    def amount(self) -> str | None:
        """What has been sent so far, where that was much; None of less."""
        points, files = self._metrics.logged, self._files
        if points < _MANY_POINTS and files < _MANY_FILES:
            return None
        return f"{points:,} points in {self._metrics.requests:,} requests, {files:,} artifacts"

    def update(self) -> None:
        """Mirror what is new of params, tags and metrics, while the job may still run.

        Raises:
            MlflowException: The user's store refuses.
            TrackingError: The run was deleted there.
            WorkspaceError: The job's run cannot be read.
        """
        self._mirror_data(self._source.read(), everything=False)

    def complete(self) -> tuple[dict[str, Any], str | None]:
        """Mirror everything.

        Returns:
            The source run as MLflow's JSON, and what keeps the mirror from being complete.

        Raises:
            MlflowException: The user's store refuses.
            TrackingError: The run was deleted there.
            WorkspaceError: The job's run cannot be read.
        """
        source = self._source.read()
        mine = self._mirror_data(source, everything=True)
        refusals = [*mirror_datasets(self._client, source, mine), *self._metrics.refusals()]
        after = self._client.get_run(self._run_id).data
        refusals += self._texts.refusals(source.get("data", {}), after)
        try:
            failed = self._mirror_artifacts(source, mine)
            self._keep(refusals)
            failed |= self._mirror_models(source, mine)
        except ArtifactStoreError as error:
            return source, str(error)
        if failed:
            return source, f"{len(failed)} artifacts could not be copied: {_first(failed)}"
        return source, None

    def _mirror_data(self, source: Mapping[str, Any], *, everything: bool) -> Run:
        data = source.get("data", {})
        mine = self._client.get_run(self._run_id)
        if mine.info.lifecycle_stage == "deleted":
            raise TrackingError(
                "it was deleted meanwhile. To have it again: "
                f"`mlflow runs restore --run-id {self._run_id}`, then "
                f"`mlflow-azureml wait {self._run_id}`"
            )
        self._texts.mirror(data, mine.data)
        self._metrics.mirror(
            data.get("metrics", []), mine=mine.data.metrics.keys(), everything=everything
        )
        return mine

    def _mirror_artifacts(self, source: Mapping[str, Any], mine: Run) -> dict[str, str]:
        choice = mine.data.tags.get(MIRROR_ARTIFACTS, SMALL)
        store = RunArtifacts(self._client, self._run_id)
        with self._source.files() as files:
            if not files.listed:
                return {}
            paths = [f["path"] for f in files.listed if reason_to_stay(f, choice) is None]
            failed = copy_files(files, store, paths)
            self._files += len(paths) - len(failed)
            text = listing(
                files.listed,
                job_name=source["info"]["run_id"],
                studio_url=mine.data.tags.get(STUDIO_URL),
                reason=lambda file: failed.get(file["path"]) or reason_to_stay(file, choice),
            )
        self._write(ARTIFACT_LIST, text)
        return failed

    def _mirror_models(self, source: Mapping[str, Any], mine: Run) -> dict[str, str]:
        models = self._source.logged_models()
        if not models:
            return {}
        there = (
            f"The job logged {len(models)} models in MLflow 3's way, which stay in its workspace"
        )
        if not hasattr(self._client, "create_logged_model"):
            _logger.warning("%s: this machine has an MLflow before 3.", there)
            return {}
        choice = mine.data.tags.get(MIRROR_ARTIFACTS, SMALL)
        mirrored = MirroredModels(
            self._client, self._source, lambda file: reason_to_stay(file, choice) is None
        )
        try:
            failed = mirrored.mirror(models, source, mine)
        except MlflowException as error:
            if error.error_code not in _UNKNOWN_TO_STORE:
                raise
            _logger.warning("%s: the MLflow server is one before 3.", there)
            return {}
        if mirrored.left and choice != NONE:
            _logger.warning(
                "Logged models of MLflow run '%s' lack files above 10 MB, which stay in the "
                'workspace; "mirror_artifacts": "all" in the config copies them: %s.',
                self._run_id,
                _first(mirrored.left),
            )
        return failed

    def _keep(self, refusals: Sequence[Refusal]) -> None:
        """Write whole to an artifact what the store has not, and say so where it is new."""
        if not refusals:
            return
        self._write(NOT_MIRRORED, self._lines(refusals))
        lost = {
            f"{found.kind} '{found.key}'": found.reason for found in refusals if not found.is_choice
        }
        if lost:
            _logger.warning(
                "The store of MLflow run '%s' has not all as it was logged: %s. %s has it whole.",
                self._run_id,
                _first(lost),
                NOT_MIRRORED,
            )

    def _lines(self, refusals: Sequence[Refusal]) -> Iterator[str]:
        for found in refusals:
            entry = {"kind": found.kind, "key": found.key, "reason": found.reason}
            if found.value is not None:
                yield json.dumps({**entry, "value": found.value}, ensure_ascii=False) + "\n"
                continue
            for point in self._metrics.history(found.key):
                yield json.dumps({**entry, **as_json(point)}, ensure_ascii=False) + "\n"

    def _write(self, path: str, text: str | Iterator[str]) -> None:
        """Log a text as an artifact, unless it is there with the same size."""
        store = RunArtifacts(self._client, self._run_id)
        with tempfile.TemporaryDirectory(prefix="mlflow-azureml-") as folder:
            file = Path(folder, path)
            file.parent.mkdir()
            with file.open("w", encoding="utf-8", newline="\n") as stream:
                for part in (text,) if isinstance(text, str) else text:
                    stream.write(part)
            if not StoredSizes(store).has(path, file.stat().st_size):
                store.upload(Path(folder))


def _first(reasons: Mapping[str, str]) -> str:
    """Name some of what went wrong."""
    named = [f"{what} ({why})" for what, why in list(reasons.items())[:_NAMED_IN_MESSAGE]]
    more = len(reasons) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
