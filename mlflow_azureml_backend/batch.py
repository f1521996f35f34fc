"""Submit many runs at once, over one set of connections."""

from __future__ import annotations

import contextvars
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import BatchError
from mlflow_azureml_backend.submission_turns import MOST_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun

    Answer: TypeAlias = AzureMLSubmittedRun | Exception

_logger = logging.getLogger(__name__)


def submit_many(
    runs: Iterable[Mapping[str, Any]], *, threads: int = MOST_AT_ONCE
) -> list[AzureMLSubmittedRun]:
    """Submit runs side by side; what they have in common is asked and uploaded once.

    Nobody waits for the jobs: each of the answers has `wait`, as after `synchronous=False`. Within
    an active MLflow run all of them are its children. After a Ctrl-C no further run is submitted;
    those that were are named in the log, and go on.

    Args:
        runs: The arguments of `mlflow.projects.run` for each, such as
            `{"uri": ".", "parameters": {"alpha": 0.1}, "backend_config": "config.json"}`;
            `backend` and `synchronous` are set here.
        threads: How many are submitted at the same time; a process submits eight at most.

    Returns:
        The submitted runs, in order.

    Raises:
        BatchError: Some could not be submitted; it holds those that were, and all reasons.
        ValueError: `threads` is no positive number.
    """
    import mlflow.projects

    from mlflow_azureml_backend.tracking.run_tags import below_active_run

    def submit(arguments: Mapping[str, Any]) -> Answer:
        given = {"backend": "azureml", **arguments, "synchronous": False}
        if isinstance(given.get("backend_config"), dict):
            # MLflow writes the options of a run into its config, which the runs may share.
            given["backend_config"] = dict(given["backend_config"])
        try:
            try:
                run: AzureMLSubmittedRun = mlflow.projects.run(**given)
            except mlflow.MlflowException as error:
                if error.error_code != _EXISTS:
                    raise
                # Another thread created the experiment between MLflow's look and its own attempt.
                run = mlflow.projects.run(**given)
        except Exception as error:  # noqa: BLE001  # the runs of the others must not be lost
            return error
        return run

    with below_active_run():
        answers = _side_by_side(submit, list(runs), threads)
    failed = {n: each for n, each in enumerate(answers) if isinstance(each, Exception)}
    if failed:
        raise BatchError(_told(failed, _submitted(answers)), submitted=_submitted(answers))
    return _submitted(answers)


_EXISTS = "RESOURCE_ALREADY_EXISTS"


def _side_by_side(
    submit: Callable[[Mapping[str, Any]], Answer], runs: list[Mapping[str, Any]], threads: int
) -> list[Answer]:
    """Submit the first one, and then the others over several threads; answer in order."""
    answers: list[Answer] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="submit") as pool:
        coming = []
        try:
            # The first brings what the others share: its snapshot, its environment, its token.
            answers += map(submit, runs[:1])
            # A thread has no variables of the context that it was started in, unless it is told.
            coming = [pool.submit(contextvars.copy_context().run, submit, run) for run in runs[1:]]
            answers += [each.result() for each in coming]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            done = [each.result() for each in coming if not (each.cancelled() or each.exception())]
            went = _submitted([*answers[:1], *done])
            _logger.warning(
                "Interrupted: %d of %d runs were submitted, and go on: %s",
                len(went),
                len(runs),
                ", ".join(run.run_id for run in went) or "none",
            )
            raise
    return answers


def _submitted(answers: list[Answer]) -> list[AzureMLSubmittedRun]:
    return [each for each in answers if not isinstance(each, Exception)]


def _told(failed: Mapping[int, Exception], submitted: list[AzureMLSubmittedRun]) -> str:
    reasons: dict[str, list[int]] = {}
    for number, error in failed.items():
        reasons.setdefault(str(error) or type(error).__name__, []).append(number)
    told = " ".join(
        f"Run {', '.join(map(str, numbers))}: {reason}" for reason, numbers in reasons.items()
    )
    goes_on = ", ".join(run.run_id for run in submitted)
    others = f" Submitted were the MLflow runs {goes_on}." if submitted else ""
    return (
        f"{len(failed)} of {len(failed) + len(submitted)} runs were not submitted. {told}{others}"
    )
