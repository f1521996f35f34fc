"""What one request is told of a busy service, all requests of the process to that host heed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy

from mlflow_azureml_backend.workspace.failures import retry_after_of

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse

HEEDS_PAUSES = "heeds_pauses"
"""The option of a request that says whether it waits; it does where nothing is said."""

_TOO_MANY = 429
_LONGEST_PAUSE = 60.0
# Those who waited would all come at once; this is as fast as Resource Manager lets them.
_SECONDS_BETWEEN = 0.1
_MOST_ATTEMPTS = 8


@dataclass(slots=True, kw_only=True)
class _Pause:
    """One host that wants to be left alone.

    Args:
        until: When it ends, by `time.monotonic`.
        waiting: How many wait for its end.
    """

    until: float
    waiting: int = 0


class SharedPause(SansIOHTTPPolicy[Any, Any]):
    """Hold back what would be refused.

    Stands behind the policy that repeats requests, which by itself lets each of a hundred
    submissions run into the same limit. Who follows a job is not held back: it asks again anyway,
    and tells the user meanwhile that the service is busy.
    """

    def __init__(self) -> None:
        self._pauses: dict[str, _Pause] = {}
        self._lock = threading.Lock()

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Wait until the service wants to be asked again."""
        if not request.context.options.pop(HEEDS_PAUSES, True):
            return
        host = _host(request)
        while (left := self._left(host)) > 0:
            time.sleep(left)

    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        """Note how long the service wants to be left alone."""
        answer = response.http_response
        if answer.status_code != _TOO_MANY:
            return
        seconds = _named_by(answer)
        if seconds is None:
            return
        until, host = time.monotonic() + min(seconds, _LONGEST_PAUSE), _host(request)
        with self._lock:
            known = self._pauses.get(host)
            if known is None or known.until < until:
                # Those who wait for the end of the former one find this one then.
                self._pauses[host] = _Pause(until=until)

    def _left(self, host: str) -> float:
        """Give how long to wait, with a place among those that do."""
        with self._lock:
            pause = self._pauses.get(host)
            now = time.monotonic()
            if pause is None or pause.until <= now:
                return 0.0
            place, pause.waiting = pause.waiting, pause.waiting + 1
            return pause.until + place * _SECONDS_BETWEEN - now


class PatientRetries(RetryPolicy):
    """Ask again for longer than else where the service itself says when.

    Of a hundred submissions that share a limit some are refused several times in a row.
    """

    def increment(
        self, settings: dict[str, Any], response: Any = None, error: Exception | None = None
    ) -> bool:
        """Note an attempt, and tell whether there is another one."""
        answer = getattr(response, "http_response", None)
        if (
            getattr(answer, "status_code", None) == _TOO_MANY
            and settings["total"] > 0
            and len(settings["history"]) < _MOST_ATTEMPTS
            and _named_by(answer)
        ):
            settings["total"] += 1
            settings["status"] += 1
        return bool(super().increment(settings, response=response, error=error))


def _named_by(answer: Any) -> float | None:
    """Read for how many seconds an answer asks to be left alone."""
    words = "" if getattr(answer, "is_stream_consumed", True) is False else _text(answer)
    return retry_after_of(answer.headers, words)


def _host(request: PipelineRequest[Any]) -> str:
    return str(urlsplit(request.http_request.url).netloc).lower()


def _text(answer: Any) -> str:
    try:
        return str(answer.text())
    except Exception:  # noqa: BLE001  # a body that cannot be read says nothing
        return ""
