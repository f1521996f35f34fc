"""How the steps of a pipeline do, and where their logs are."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_azureml_backend.errors import NotFoundError
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.pipeline import StepState, path_in_step
from mlflow_azureml_backend.workspace.run_history import error_text, read_children, read_details

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlflow_azureml_backend.job import JobDetails
    from mlflow_azureml_backend.workspace.connection import Connection

T = TypeVar("T")
_AT_A_TIME = 8
# Of a step that has ended nothing changes but the signatures of its logs' URLs, which last longer.
_KEPT_SECONDS = 300.0


class PipelineLooks:
    """Look at pipelines, and remember of steps that have ended what does not change.

    Args:
        connection: The workspace.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ended: dict[str, tuple[float, JobDetails]] = {}

    def with_steps(self, job_name: str, whole: JobDetails, *, brief: bool) -> JobDetails:
        """Give a pipeline's details with its steps: their logs, and why one has failed.

        Args:
            job_name: The pipeline's job.
            whole: What run history says of it.
            brief: Make one attempt with short timeouts, for who asks again anyway.

        Raises:
            WorkspaceError: A step could not be read; the job goes on.
        """
        runs = list(read_children(self._connection, job_name, brief=brief))
        looks = _together([partial(self._look, run, brief=brief) for run in runs])
        log_files = dict(whole.log_files)
        steps = []
        for run, details in zip(runs, looks, strict=True):
            state = StepState(
                name=str(run.get("displayName") or run["runId"]),
                job_name=run["runId"],
                status=details.status if details else _status(run),
                error=(details.error if details else None) or error_text(run.get("error")),
            )
            steps.append(state)
            for path, url in (details.log_files if details else {}).items():
                log_files[path_in_step(state.name, path)] = url
        return replace(
            whole,
            steps=tuple(steps),
            log_files=MappingProxyType(log_files),
            error=_error(whole, steps),
        )

    def _look(self, run: Mapping[str, Any], *, brief: bool) -> JobDetails | None:
        name = run["runId"]
        kept_at, kept = self._ended.get(name, (0.0, None))
        if kept is not None and time.monotonic() - kept_at < _KEPT_SECONDS:
            return kept
        if _status(run) is JobStatus.NOT_STARTED:
            return None
        try:
            details = read_details(self._connection, name, brief=brief)
        except NotFoundError:
            return None  # which run history has just heard of
        if details.status.is_terminal and _status(run) is details.status:
            self._ended[name] = (time.monotonic(), details)
        return details


def _together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make calls side by side, some at a time; threads that hang hold up no exit of the process."""
    answers: list[Future[T]] = [Future() for _ in calls]
    waiting = deque(zip(calls, answers, strict=True))

    def work() -> None:
        while True:
            try:
                call, answer = waiting.popleft()
            except IndexError:
                return
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001  # raised where the answer is wanted
                answer.set_exception(error)

    for _ in range(min(_AT_A_TIME, len(calls))):
        threading.Thread(target=work, name="steps", daemon=True).start()
    return [answer.result() for answer in answers]


def _status(run: Mapping[str, Any]) -> JobStatus:
    return JobStatus(run.get("status") or JobStatus.UNKNOWN.value)


def _error(whole: JobDetails, steps: list[StepState]) -> str | None:
    """Say which steps have failed and why; run history only counts them."""
    failed = [step for step in steps if step.status is JobStatus.FAILED]
    if whole.status is not JobStatus.FAILED or not failed:
        return whole.error
    return "\n".join(
        f"Step '{step.name}' failed: {step.error or whole.error or 'without a reason'}"
        for step in failed
    )
