"""The client of the current tracking store."""

from __future__ import annotations

from functools import lru_cache

from mlflow.tracking import MlflowClient, get_tracking_uri


def current_client() -> MlflowClient:
    """Give the client of the store that MLflow's tracking URI names now, for any thread.

    MLflow makes one for each call of its own; each looks for Spark, to find a model registry.
    """
    return _client(get_tracking_uri())


@lru_cache(maxsize=16)
def _client(tracking_uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri)
