"""The full history of a run's metrics, logged to another run once each."""

from __future__ import annotations

import json
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.file_store import is_file_store, no_other_writer
from mlflow_azureml_backend.tracking.point_index import PointIndex
from mlflow_azureml_backend.tracking.refusals import Refusal, is_refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.tracking.point_index import Point
    from mlflow_azureml_backend.tracking.source_run import SourceRun

    Page = tuple[str, Sequence[Mapping[str, Any]]]

# MLflow's limits on one request: how many metrics, and how many bytes of JSON (1,000,000).
_METRICS_A_BATCH = 1000
_HEAVIEST_BATCH = 900_000
_NUMBERS_WEIGHT = 150
_POINTS_A_PAGE = 25_000
_READ_AT_ONCE = 4
# So many points of a metric are refused, and none is taken, before it is given up.
_POINTS_TO_REFUSE = 8


class MirroredMetrics:
    """Log what a run's history has and its mirror lacks.

    However long a history is, no more than some pages of it are in memory. A database keeps a
    point once, whoever logs it how often, so that what the mirror has is read once. A file store
    keeps it as often as it is logged: there, what it has is read each time, and no other process
    may log in between.

    Args:
        client: MLflow's client of the store that the mirror lives in.
        run_id: The mirror.
        source: The run to mirror.

    Attributes:
        refused: The metrics that the store does not take, by their keys.
        logged: How many points were logged.
        requests: How many requests that took.
    """

    def __init__(self, client: MlflowClient, run_id: str, source: SourceRun) -> None:
        self.refused: dict[str, Refusal] = {}
        self.logged = self.requests = 0
        self._refused_points: dict[str, dict[str, Refusal]] = {}
        self._accepted: set[str] = set()
        self._client = client
        self._run_id = run_id
        self._source = source
        self._in_files = is_file_store(client.tracking_uri)
        self._copied: dict[str, PointIndex] = {}
        self._places: dict[str, str] = {}
        self._latest: dict[str, str] = {}

    def mirror(
        self,
        latest: Iterable[Mapping[str, Any]],
        *,
        mine: Collection[str],
        everything: bool,
    ) -> None:
        """Log the new points of each metric.

        Args:
            latest: The latest point of each metric of the source.
            mine: The metrics that the mirror has.
            everything: Read all histories from their beginning: a point that came late, with an
                earlier time or a lower step, is neither the latest nor at the end.
        """
        # As texts: NaN is the same as NaN.
        points = {metric["key"]: repr(point_of(metric)) for metric in latest}
        keys = [
            key
            for key, point in points.items()
            if key not in self.refused and (everything or self._latest.get(key) != point)
        ]
        if everything:
            self._places.clear()
        try:
            self._mirror(keys, frozenset(mine), everything=everything)
        except BaseException:
            # What was on its way may not have arrived.
            self._copied.clear()
            self._places.clear()
            self._latest.clear()
            raise
        self._latest |= {key: points[key] for key in keys}

    def history(self, key: str) -> Iterator[Point]:
        """Give the source's points of a metric, a page at a time."""
        for _, page in self._source.metric_pages(key):
            yield from map(point_of, page)

    def refusals(self) -> Iterator[Refusal]:
        """Give the metrics, and the points of others, that the store does not take."""
        yield from self.refused.values()
        for points in self._refused_points.values():
            yield from points.values()

    def _mirror(self, keys: Sequence[str], mine: Collection[str], *, everything: bool) -> None:
        histories = self._histories(keys)
        if self._in_files:
            for key, pages in histories:
                points = [point_of(point) for _, page in pages for point in page]
                with no_other_writer(self._client.tracking_uri):
                    copied = self._index(key, mine={key})
                    self._send(Metric(key, *point) for point in points if copied.add(point))
            return

        def missing() -> Iterator[Metric]:
            for key, pages in histories:
                copied = self._copied.get(key) or self._index(key, mine=mine)
                for place, page in pages:
                    self._places[key] = place
                    for point in map(point_of, page):
                        if copied.add(point):
                            yield Metric(key, *point)
                if not everything:
                    self._copied[key] = copied
                else:
                    self._copied.pop(key, None)

        self._send(missing())

    def _histories(self, keys: Sequence[str]) -> Iterator[tuple[str, Iterator[Page]]]:
        """Give the pages of each metric; of the next few metrics the first is read ahead."""

        def begin(key: str) -> tuple[str, Iterator[Page]]:
            pages = self._source.metric_pages(key, start=self._places.get(key, ""))
            return key, _begun(pages)

        if len(keys) == 1:
            yield begin(keys[0])
            return
        waiting = iter(keys)
        with ThreadPoolExecutor(_READ_AT_ONCE, thread_name_prefix="metrics") as pool:
            ahead = deque(pool.submit(begin, key) for key in islice(waiting, _READ_AT_ONCE))
            try:
                while ahead:
                    begun = ahead.popleft().result()
                    ahead.extend(pool.submit(begin, key) for key in islice(waiting, 1))
                    yield begun
            finally:
                for future in ahead:
                    future.cancel()

    def _index(self, key: str, *, mine: Collection[str]) -> PointIndex:
        """Learn which points of a metric the mirror has."""
        index = PointIndex()
        token = None
        while key in mine:
            # As MLflow's own client does it, but a page at a time.
            page = self._client._tracking_client.store.get_metric_history(  # noqa: SLF001
                run_id=self._run_id,
                metric_key=key,
                max_results=_POINTS_A_PAGE,
                page_token=token,
            )
            for point in page:
                index.add((point.value, point.timestamp, point.step))
            token = getattr(page, "token", None)
            if not token:
                break
        return index

    def _send(self, metrics: Iterable[Metric]) -> None:
        weights: dict[str, int] = {}

        def weight(metric: Metric) -> int:
            if metric.key not in weights:
                weights[metric.key] = len(json.dumps(metric.key)) + _NUMBERS_WEIGHT
            return weights[metric.key]

        for batch in batches(metrics, _METRICS_A_BATCH, weight=weight, heaviest=_HEAVIEST_BATCH):
            self._log([metric for metric in batch if metric.key not in self.refused])

    def _log(self, batch: list[Metric]) -> None:
        """Log some points; metrics that the store refuses are noted, and the others are logged."""
        if not batch:
            return
        self.requests += 1
        try:
            self._client.log_batch(self._run_id, metrics=batch)
        except MlflowException as error:
            if not is_refusal(error):
                raise
            keys = list(dict.fromkeys(metric.key for metric in batch))
            if len(keys) > 1:
                for key in keys:
                    self._log([metric for metric in batch if metric.key == key])
            elif len(batch) > 1:
                half = len(batch) // 2
                self._log(batch[:half])
                # It may be the metric that is refused, which the first half has shown then.
                self._log([metric for metric in batch[half:] if metric.key not in self.refused])
            else:
                self._refuse(batch[0], error.message)
        else:
            self.logged += len(batch)
            self._accepted.update(metric.key for metric in batch)

    def _refuse(self, metric: Metric, reason: str) -> None:
        """Note a point that the store does not take; after some of them, all of the metric."""
        key, point = metric.key, (metric.value, metric.timestamp, metric.step)
        of_key = self._refused_points.setdefault(key, {})
        of_key[repr(point)] = Refusal(
            kind="metric", key=key, reason=reason, value=json.dumps(as_json(point))
        )
        if key not in self._accepted and len(of_key) >= _POINTS_TO_REFUSE:
            self.refused[key] = Refusal(kind="metric", key=key, reason=reason)
            del self._refused_points[key]


def as_json(point: Point) -> dict[str, Any]:
    """Name the parts of a point; what JSON has no number for is a text."""
    value, timestamp, step = point
    shown = value if math.isfinite(value) else str(value)
    return {"value": shown, "timestamp": timestamp, "step": step}


def point_of(metric: Mapping[str, Any]) -> Point:
    """Read a point out of MLflow's JSON, in which numbers may be texts, and NaN always is."""
    return (
        float(metric["value"]),
        int(metric.get("timestamp") or 0),
        int(metric.get("step") or 0),
    )


def _begun(pages: Iterator[Page]) -> Iterator[Page]:
    """Read the first page now, and the others when they are asked for."""
    first = next(pages, None)

    def all_pages() -> Iterator[Page]:
        if first is not None:
            yield first
            yield from pages

    return all_pages()
