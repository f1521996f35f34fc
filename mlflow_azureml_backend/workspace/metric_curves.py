"""The curves of a run's metrics, read with a bounded number of requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.metric_curve import curve_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow_azureml_backend.metric_curve import MetricCurve
    from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

MOST_METRICS = 20
"""Metrics whose history is read."""

_MOST_POINTS = 50_000  # two pages
_AT_ONCE = 8


def read_curves(run: TrackedRun, keys: Iterable[str]) -> dict[str, MetricCurve]:
    """Read the curves of the first metrics by name.

    Args:
        run: The run.
        keys: Its metrics.

    Raises:
        WorkspaceError: The service refused, or could not be reached.
    """
    chosen = sorted(keys)[:MOST_METRICS]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="metrics") as pool:
        return dict(zip(chosen, pool.map(lambda key: _curve(run, key), chosen), strict=True))


def _curve(run: TrackedRun, key: str) -> MetricCurve:
    history = run.metric_history(key)
    try:
        read = list(islice(history, _MOST_POINTS + 1))
    except NotFoundError:  # deleted meanwhile
        read = []
    points = [
        (int(point.get("step") or 0), int(point.get("timestamp") or 0), float(point["value"]))
        for point in read[:_MOST_POINTS]
    ]
    return curve_of(points, complete=len(read) <= _MOST_POINTS)
