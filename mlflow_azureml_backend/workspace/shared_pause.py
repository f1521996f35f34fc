"""What one request is told of a busy service, all requests of the process that change it heed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.policies import SansIOHTTPPolicy

from mlflow_azureml_backend.workspace.failures import retry_after_of

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse

_TOO_MANY = 429
_WRITES = frozenset({"PUT", "POST"})
_LONGEST_PAUSE = 60.0


class SharedPause(SansIOHTTPPolicy[Any, Any]):
    """Hold back what would be refused.

    Stands behind the policy that repeats requests, which by itself lets each of a hundred
    submissions run into the same limit. Reads are never held back: whoever follows a job asks
    again anyway.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._lock = threading.Lock()

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Wait until the service wants to be asked again."""
        if request.http_request.method in _WRITES:
            left = self._until - time.monotonic()
            if left > 0:
                time.sleep(left)

    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        """Note how long the service wants to be left alone."""
        del request
        answer = response.http_response
        if answer.status_code != _TOO_MANY:
            return
        words = "" if getattr(answer, "is_stream_consumed", True) is False else _text(answer)
        seconds = retry_after_of(answer.headers, words)
        if seconds is not None:
            with self._lock:
                until = time.monotonic() + min(seconds, _LONGEST_PAUSE)
                self._until = max(self._until, until)


def _text(answer: Any) -> str:
    try:
        return str(answer.text())
    except Exception:  # noqa: BLE001  # a body that cannot be read says nothing
        return ""
