"""The logged models of a run (MLflow 3), as logged models of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric

from mlflow_azureml_backend.tracking.artifact_store import ModelArtifacts
from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.mirrored_artifacts import copy_files
from mlflow_azureml_backend.tracking.mirrored_metrics import point_of
from mlflow_azureml_backend.tracking.mirrored_texts import is_users, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlflow.entities import LoggedModel, Run
    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.tracking.source_run import SourceRun

SOURCE_MODEL = "azureml.logged_model"
NOT_COPIED = "azureml.not_copied"
_TAG_LENGTH = 5000
_STATUS = "LOGGED_MODEL_"
_METRICS_A_BATCH = 500
_LARGEST_MLMODEL = 10 * 1024 * 1024


class MirroredModels:
    """Create the models that a mirror lacks, and complete those that are not finished.

    A model's id is the store's to choose: a tag tells which one of the workspace it mirrors.

    Args:
        client: MLflow's client of the store that the mirror lives in; of MLflow 3.
        source: The run whose models are mirrored.
        selected: Tells of a file's path and size whether it is copied.

    Attributes:
        left: How many files of a model were not to be copied, by its name.
    """

    def __init__(
        self,
        client: MlflowClient,
        source: SourceRun,
        selected: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self._client = client
        self._source = source
        self._selected = selected
        self.left: dict[str, str] = {}

    def mirror(
        self, models: Sequence[Mapping[str, Any]], source: Mapping[str, Any], mine: Run
    ) -> dict[str, str]:
        """Mirror models with params, tags, metrics and artifacts, and link them to the run.

        Args:
            models: As the source gives them.
            source: The source run, as MLflow's JSON.
            mine: The mirror.

        Returns:
            Why a file was not copied, by the model's name and its path.

        Raises:
            ArtifactStoreError: The artifact store takes nothing.
            MlflowException: The store refuses a model.
            WorkspaceError: The source does not answer.
        """
        known = {model.tags.get(SOURCE_MODEL): model for model in self._of_run(mine)}
        failed: dict[str, str] = {}
        ids: dict[str, str] = {}
        for model in models:
            info = model["info"]
            there = known.get(info["model_id"]) or self._create(model, mine)
            ids[info["model_id"]] = there.model_id
            self._mirror_metrics(model, there, source, mine)
            status = info.get("status", "").removeprefix(_STATUS)
            is_final = status in {"READY", "FAILED"}
            if is_final and there.status.value == status:
                continue  # which it became when all its files were there
            trouble = self._copy(model, there, source, mine)
            failed |= {f"{info['name']}/{path}": reason for path, reason in trouble.items()}
            if is_final and not trouble:
                self._client.finalize_logged_model(there.model_id, status)
        self._link(ids, source, mine)
        return failed

    def _of_run(self, mine: Run) -> Iterator[LoggedModel]:
        token = None
        while True:
            page = self._client.search_logged_models(
                [mine.info.experiment_id],
                filter_string=f"source_run_id = '{mine.info.run_id}'",
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, model: Mapping[str, Any], mine: Run) -> LoggedModel:
        info, data = model["info"], model.get("data") or {}
        return self._client.create_logged_model(
            mine.info.experiment_id,
            name=info["name"],
            source_run_id=mine.info.run_id,
            tags={
                **{key: value for key, value in texts_of(info, "tags") if is_users(key)},
                SOURCE_MODEL: info["model_id"],
            },
            params=dict(texts_of(data, "params")),
            model_type=info.get("model_type"),
        )

    def _mirror_metrics(
        self, model: Mapping[str, Any], there: LoggedModel, source: Mapping[str, Any], mine: Run
    ) -> None:
        """Log the metrics that the source run has logged for a model; the run has them already."""
        run_id = source["info"]["run_id"]
        seen = {(m.key, m.timestamp, m.step, m.dataset_name) for m in there.metrics or ()}
        metrics = [
            Metric(
                metric["key"],
                *point_of(metric),
                model_id=there.model_id,
                dataset_name=metric.get("dataset_name"),
                dataset_digest=metric.get("dataset_digest"),
            )
            for metric in (model.get("data") or {}).get("metrics") or []
            if metric.get("run_id", run_id) == run_id
        ]
        missing = (m for m in metrics if (m.key, m.timestamp, m.step, m.dataset_name) not in seen)
        for batch in batches(missing, _METRICS_A_BATCH):
            self._client.log_batch(mine.info.run_id, metrics=batch)

    def _copy(
        self, model: Mapping[str, Any], there: LoggedModel, source: Mapping[str, Any], mine: Run
    ) -> dict[str, str]:
        names = {
            model["info"]["model_id"]: there.model_id,
            source["info"]["run_id"]: mine.info.run_id,
            model["info"].get("artifact_uri") or "none": there.artifact_location,
        }

        def adapt(folder: Path) -> None:
            _rename(folder / "MLmodel", names)

        with self._source.model_files(model) as files:
            paths = [file["path"] for file in files.listed if self._selected(file)]
            if left := sorted({file["path"] for file in files.listed} - set(paths)):
                self.left[model["info"]["name"]] = f"{len(left)} files"
                named = ", ".join(left)[:_TAG_LENGTH]
                self._client.set_logged_model_tags(there.model_id, {NOT_COPIED: named})
            return copy_files(
                files, ModelArtifacts(self._client, there.model_id), paths, adapt=adapt
            )

    def _link(self, ids: Mapping[str, str], source: Mapping[str, Any], mine: Run) -> None:
        """Say which models the run has made, and which it has read of its own."""
        from mlflow.entities import LoggedModelInput, LoggedModelOutput

        made = {model.model_id for model in (mine.outputs.model_outputs if mine.outputs else ())}
        outputs = [
            LoggedModelOutput(ids[item["model_id"]], int(item.get("step") or 0))
            for item in (source.get("outputs") or {}).get("model_outputs") or []
            if item["model_id"] in ids and ids[item["model_id"]] not in made
        ]
        if outputs:
            self._client.log_outputs(mine.info.run_id, outputs)
        read = {model.model_id for model in (mine.inputs.model_inputs if mine.inputs else ())}
        inputs = [
            LoggedModelInput(ids[item["model_id"]])
            for item in (source.get("inputs") or {}).get("model_inputs") or []
            if item["model_id"] in ids and ids[item["model_id"]] not in read
        ]
        if inputs:
            self._client.log_inputs(mine.info.run_id, models=inputs)


def _rename(file: Path, names: Mapping[str, str]) -> None:
    """Let a model's description name the mirror's ids: MLflow logs to the model that it names."""
    if not file.is_file() or file.stat().st_size > _LARGEST_MLMODEL:
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = []
    for line in lines:
        key, colon, value = line.partition(": ")
        if key in {"model_id", "run_id", "artifact_path"} and names.get(value.strip()):
            line = f"{key}{colon}{names[value.strip()]}\n"  # noqa: PLW2901
        changed.append(line)
    file.write_text("".join(changed), encoding="utf-8")
