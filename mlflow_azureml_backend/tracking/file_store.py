"""MLflow's file store, which keeps a metric's point as often as it is logged."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.file_lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".mlflow-azureml.lock"
_PATIENCE = 30.0
_RETRY_SECONDS = 0.05


def is_file_store(tracking_uri: str) -> bool:
    """Tell whether a store is a folder of files; databases keep equal points once."""
    return bool(is_local_uri(tracking_uri))


@contextmanager
def no_other_writer(tracking_uri: str) -> Iterator[None]:
    """Keep other processes of this package from logging metrics to a file store.

    The system releases the lock when its holder dies. The file store lists folders alone, so that
    the file which stands for the lock is not in its way.

    Args:
        tracking_uri: The file store.

    Raises:
        TrackingError: Another process held the lock all the time.
    """
    file = Path(local_file_uri_to_path(tracking_uri)) / _LOCK
    deadline = time.monotonic() + _PATIENCE
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not try_lock(handle):
            if time.monotonic() >= deadline:
                raise TrackingError(f"{file} has been locked for {_PATIENCE:.0f} seconds.")
            time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(handle)
