"""The datasets that a run read, noted in another run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.tracking.refusals import Refusal, is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def mirror_datasets(
    client: MlflowClient, source: Mapping[str, Any], mine: Run
) -> Iterator[Refusal]:
    """Log the datasets that a mirror lacks, with their tags, of which one is the context.

    Args:
        client: MLflow's client of the store that the mirror lives in.
        source: The source run, as MLflow's JSON.
        mine: The mirror.

    Yields:
        What the store refuses.
    """
    there = {
        (item.dataset.name, item.dataset.digest)
        for item in (mine.inputs.dataset_inputs if mine.inputs else ())
    }
    for item in (source.get("inputs") or {}).get("dataset_inputs") or []:
        dataset = item["dataset"]
        if (dataset["name"], dataset["digest"]) in there:
            continue
        # One a request: the profile of one may be as large as MLflow lets a request be.
        try:
            client.log_inputs(mine.info.run_id, datasets=[_entity(item)])
        except MlflowException as error:
            if not is_refusal(error):
                raise
            yield Refusal(
                kind="dataset",
                key=dataset["name"],
                reason=error.message,
                value=json.dumps(item, ensure_ascii=False),
            )


def _entity(item: Mapping[str, Any]) -> DatasetInput:
    dataset = item["dataset"]
    return DatasetInput(
        dataset=Dataset(
            name=dataset["name"],
            digest=dataset["digest"],
            source_type=dataset.get("source_type", ""),
            source=dataset.get("source", ""),
            schema=dataset.get("schema"),
            profile=dataset.get("profile"),
        ),
        tags=[InputTag(tag["key"], tag.get("value", "")) for tag in item.get("tags") or []],
    )
