"""What is asked beside the logs, now and then: the compute of a waiting job, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.errors import WorkspaceError
from mlflow_azureml_backend.follow.waiting import waiting_for
from mlflow_azureml_backend.job import EMPTY, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from mlflow_azureml_backend.follow.service import JobService
    from mlflow_azureml_backend.job import ComputeState, JobDetails

_BEFORE_FIRST = 10.0
_COMPUTE_EVERY = 30.0
_METRICS_EVERY = 15.0


class Situation:
    """Keep what is known of a job beside its status; nobody waits for the answers.

    Args:
        service: Where the job is.
        job_name: The job.
        clock: Tells the seconds that pass.
        metrics: Ask for metrics too.
    """

    def __init__(
        self,
        service: JobService,
        job_name: str,
        *,
        clock: Callable[[], float],
        metrics: bool,
    ) -> None:
        self.metrics: Mapping[str, float] = EMPTY
        self.waiting_for: str | None = None
        self._service = service
        self._job_name = job_name
        self._clock = clock
        self._metrics_wanted = metrics
        self._compute: ComputeState | None = None
        self._asked: dict[str, Future[Any]] = {}
        self._next = {"compute": clock() + _BEFORE_FIRST, "metrics": clock() + _BEFORE_FIRST}

    def refresh(self, details: JobDetails) -> None:
        """Take the answers that have come, and ask again what is due.

        Args:
            details: The last look at the job.
        """
        if (compute := self._answer("compute")) is not None:
            self._compute = compute
        if (metrics := self._answer("metrics")) is not None:
            self.metrics = metrics
        waits = not details.status.has_started
        if waits and details.compute is not None:
            name = details.compute
            self._ask("compute", _COMPUTE_EVERY, lambda: self._service.compute_state(name))
        if self._metrics_wanted and details.status is JobStatus.RUNNING:
            self._ask("metrics", _METRICS_EVERY, lambda: self._service.last_metrics(self._job_name))
        self.waiting_for = waiting_for(details, self._compute) if waits else None

    def _ask(self, what: str, seconds: float, call: Callable[[], Any]) -> None:
        if what in self._asked or self._clock() < self._next[what]:
            return
        self._next[what] = self._clock() + seconds
        self._asked[what] = begin(call)

    def _answer(self, what: str) -> Any:
        future = self._asked.get(what)
        if future is None or not future.done():
            return None
        del self._asked[what]
        try:
            return future.result()
        except WorkspaceError:
            return None  # it is asked again later; the job does not depend on it
