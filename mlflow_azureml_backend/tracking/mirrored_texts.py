"""The params and tags of a run, logged to another run within the limits of its store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.refusals import Refusal, is_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlflow.entities import RunData
    from mlflow.tracking import MlflowClient

# MLflow's limits on one request: params, and tags; and bytes of JSON (1,000,000).
_TEXTS_A_BATCH = 100
_HEAVIEST_BATCH = 900_000
# How many characters of a value the versions of MLflow take, and the other stores.
_LENGTHS = (8000, 6000, 5000, 500, 250)

# Tags under `mlflow.` describe the run in *its* store; these two carry what the user logged.
_CARRIED_TAGS = ("mlflow.log-model.history", "mlflow.note.content")


class MirroredTexts:
    """Log the params and tags that a mirror lacks.

    A param that the mirror has already stays: MLflow's params do not change. A value that is too
    long for the store is cut, by the store itself or here, and a key that it refuses is left out:
    `refusals` tells which.

    Args:
        client: MLflow's client of the store that the mirror lives in.
        run_id: The mirror.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._reasons: dict[tuple[str, str], str] = {}

    def mirror(self, source: Mapping[str, Any], mine: RunData) -> None:
        """Log what is missing.

        Args:
            source: The source's `data`, as MLflow's JSON.
            mine: What the mirror has.
        """
        params = [
            Param(key, value) for key, value in texts_of(source, "params") if key not in mine.params
        ]
        tags = [
            RunTag(key, value)
            for key, value in texts_of(source, "tags")
            if is_users(key) and not _is_cut(value, mine.tags.get(key))
        ]
        for kind, texts in (("params", params), ("tags", tags)):
            untried = (text for text in texts if (kind[:-1], text.key) not in self._reasons)
            for batch in batches(untried, _TEXTS_A_BATCH, weight=_weight, heaviest=_HEAVIEST_BATCH):
                self._log(kind, batch)

    def refusals(self, source: Mapping[str, Any], mine: RunData) -> Iterator[Refusal]:
        """Give the params and tags that the mirror has not as the source has them.

        Args:
            source: The source's `data`, as MLflow's JSON.
            mine: What the mirror has, read after it was mirrored.
        """
        for kind, there in (("param", mine.params), ("tag", mine.tags)):
            for key, value in texts_of(source, f"{kind}s"):
                if there.get(key) == value or (kind == "tag" and not is_users(key)):
                    continue
                reason = self._reasons.get((kind, key))
                if _is_cut(value, there.get(key)):
                    reason = f"cut to {len(there[key])} of its {len(value)} characters"
                yield Refusal(
                    kind=kind,
                    key=key,
                    reason=reason or "the run had another value already",
                    value=value,
                    is_choice=reason is None,
                )

    def _log(self, kind: str, batch: list[Param | RunTag]) -> None:
        """Log some texts; what the store refuses is found by halving, and noted."""
        try:
            self._client.log_batch(self._run_id, **{kind: batch})
        except MlflowException as error:
            if not is_refusal(error):
                raise
            if len(batch) > 1:
                half = len(batch) // 2
                self._log(kind, batch[:half])
                self._log(kind, batch[half:])
                return
            self._cut(kind, batch[0], error.message)

    def _cut(self, kind: str, text: Param | RunTag, reason: str) -> None:
        """Log as much of a text as the store takes."""
        self._reasons[kind[:-1], text.key] = reason
        for length in _LENGTHS:
            if len(text.value) <= length:
                continue
            try:
                shorter = type(text)(text.key, text.value[:length])
                self._client.log_batch(self._run_id, **{kind: [shorter]})
            except MlflowException as error:
                if not is_refusal(error):
                    raise
            else:
                return


def texts_of(source: Mapping[str, Any], kind: str) -> Iterable[tuple[str, str]]:
    """Give keys and values of a run's `params` or `tags`."""
    return [(text["key"], text.get("value", "")) for text in source.get(kind, [])]


def is_users(key: str) -> bool:
    """Tell whether a tag is the user's own, and not one of the systems'."""
    return key in _CARRIED_TAGS or not key.startswith(("mlflow.", "azureml.", "_aml_system"))


def _is_cut(value: str, mine: str | None) -> bool:
    """Tell whether a value is there, whole or as far as the store takes it."""
    return mine is not None and (
        value == mine or (len(mine) >= min(_LENGTHS) and value.startswith(mine))
    )


def _weight(text: Param | RunTag) -> int:
    return len(json.dumps([text.key, text.value])) + len('{"key": , "value": }')
