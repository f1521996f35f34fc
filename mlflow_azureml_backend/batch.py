"""Submit many runs at once, over one set of connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun

_THREADS = 8


def submit_many(
    runs: Iterable[Mapping[str, Any]], *, threads: int = _THREADS
) -> list[AzureMLSubmittedRun]:
    """Submit runs side by side; what they have in common is asked and uploaded once.

    Nobody waits for the jobs: each of the answers has `wait`, as after `synchronous=False`.

    Args:
        runs: The arguments of `mlflow.projects.run` for each, such as
            `{"uri": ".", "parameters": {"alpha": 0.1}, "backend_config": "config.json"}`;
            `backend` and `synchronous` are set here.
        threads: How many are submitted at the same time.

    Returns:
        The submitted runs, in order.

    Raises:
        BatchError: Some could not be submitted; it holds those that were, and all reasons.
        ValueError: `threads` is no positive number.
    """
    import mlflow.projects

    def submit(arguments: Mapping[str, Any]) -> AzureMLSubmittedRun | Exception:
        given = {"backend": "azureml", **arguments, "synchronous": False}
        try:
            run: AzureMLSubmittedRun = mlflow.projects.run(**given)
        except Exception as error:  # noqa: BLE001  # the runs of the others must not be lost
            return error
        return run

    wanted = list(runs)
    with ThreadPoolExecutor(threads, thread_name_prefix="submit") as pool:
        # The first brings what the others share: its snapshot, its environment, its token.
        answers = [*map(submit, wanted[:1]), *pool.map(submit, wanted[1:])]
    failed = {n: each for n, each in enumerate(answers) if isinstance(each, Exception)}
    if failed:
        submitted = [each for each in answers if not isinstance(each, Exception)]
        raise BatchError(_told(failed, submitted), submitted=submitted)
    return answers  # type: ignore[return-value]  # what is no run was just looked for


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
