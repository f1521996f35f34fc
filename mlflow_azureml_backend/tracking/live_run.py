"""A mirrored run that is brought up to date beside the following of its job."""

from __future__ import annotations

import threading

from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun


class LiveRun(MirroredRun):
    """Mirror in a thread of its own while the job runs.

    The log goes on while a long history is mirrored, and while a store that is away keeps MLflow
    trying, which takes minutes. The end of the job waits for it: `finish` is one of those that
    only one thread may do at a time.
    """

    _thread: threading.Thread | None = None

    def update(self) -> None:
        """Begin to mirror what is new, unless that goes on already."""
        if self._thread is not None and self._thread.is_alive():
            return
        # What is sent again after a sudden end changes nothing.
        self._thread = threading.Thread(
            target=super().update, name="mlflow-azureml-mirror", daemon=True
        )
        self._thread.start()
