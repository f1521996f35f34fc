"""The full history of a run's metrics, logged to another run once each."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric

from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.file_store import is_file_store, no_other_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.tracking.mirrored_run import SourceRun

    Point = tuple[str, int, int]

_METRICS_A_BATCH = 1000  # MLflow's limit on one request


class MirroredMetrics:
    """Log what a run's history has and its mirror lacks.

    A database keeps a point once, whoever logs it how often, so that what the mirror has is read
    once. A file store keeps it as often as it is logged: there, what it has is read each time, and
    no other process may log in between.

    Args:
        client: MLflow's client of the store that the mirror lives in.
        run_id: The mirror.
        source: The run to mirror.
    """

    def __init__(self, client: MlflowClient, run_id: str, source: SourceRun) -> None:
        self._client = client
        self._run_id = run_id
        self._source = source
        self._copied: dict[str, set[Point]] = {}
        self._latest: dict[str, Point] = {}

    def mirror(self, latest: Iterable[Mapping[str, Any]], *, everything: bool) -> None:
        """Log the new points of each metric.

        Args:
            latest: The latest point of each metric of the source.
            everything: Read also the histories of metrics whose latest point is the same as at
                the last call: a point that came late with a lower step does not change it.
        """
        for metric in latest:
            key, point = metric["key"], _point(metric)
            if everything or self._latest.get(key) != point:
                self._mirror(key)
                self._latest[key] = point

    def _mirror(self, key: str) -> None:
        tracking_uri = self._client.tracking_uri
        if not is_file_store(tracking_uri):
            if key not in self._copied:
                self._copied[key] = self._history(key)
            self._log(key, self._source.metric_history(key), self._copied[key])
            return
        points = list(self._source.metric_history(key))
        with no_other_writer(tracking_uri):
            self._log(key, points, self._history(key))

    def _history(self, key: str) -> set[Point]:
        points = self._client.get_metric_history(self._run_id, key)
        return {(_same(point.value), point.timestamp, point.step) for point in points}

    def _log(self, key: str, points: Iterable[Mapping[str, Any]], copied: set[Point]) -> None:
        missing = (point for point in points if _point(point) not in copied)
        for batch in batches(missing, _METRICS_A_BATCH):
            once = {_point(point): _metric(key, point) for point in batch}
            self._client.log_batch(self._run_id, metrics=list(once.values()))
            copied.update(once)


def _point(metric: Mapping[str, Any]) -> Point:
    return (
        _same(float(metric["value"])),
        int(metric.get("timestamp") or 0),
        int(metric.get("step") or 0),
    )


def _same(value: float) -> str:
    """Identify a metric's value: NaN equals itself, and infinity what a SQL store makes of it."""
    largest = sys.float_info.max
    return repr(value) if math.isnan(value) else repr(max(-largest, min(largest, value)))


def _metric(key: str, point: Mapping[str, Any]) -> Metric:
    return Metric(
        key, float(point["value"]), int(point.get("timestamp") or 0), int(point.get("step") or 0)
    )
