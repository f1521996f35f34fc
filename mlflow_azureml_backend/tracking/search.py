"""Find runs of this backend in the current tracking store, by the tags that hold their jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobHandle, WorkspaceRef
from mlflow_azureml_backend.tracking.handle_tags import JOB_NAME, MACHINE, STUDIO_URL, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_EXPERIMENTS = 200
_PAGE = 1000
_WINDOWS_DRIVE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run of this backend in an MLflow store.

    Args:
        status: MLflow's run status, as it was last written: a job that nobody follows may have
            gone on since.
    """

    run_id: str
    handle: JobHandle
    name: str | None
    status: str
    experiment_name: str
    started: datetime | None
    ended: datetime | None


def current_store() -> str:
    """Give MLflow's current tracking URI."""
    from mlflow.tracking import get_tracking_uri

    return str(get_tracking_uri())


def use_store(tracking_uri: str) -> None:
    """Let MLflow use another store, in this process.

    Args:
        tracking_uri: The store.
    """
    from mlflow import set_tracking_uri

    set_tracking_uri(tracking_uri)


def store_exists(tracking_uri: str) -> bool:
    """Tell whether a store may hold runs: to ask a local one that is not there would create it.

    Args:
        tracking_uri: The store; other than local ones always exist.
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme.startswith("sqlite"):
        name = unquote(parts.path)[1:]  # `sqlite:///relative`, `sqlite:////absolute`
        return bool(name) and Path(name).exists()
    if parts.scheme == "file":
        path = unquote(parts.path)
        return Path(path).exists() or Path(path[1:]).exists()  # `file:///C:/mlruns`
    local = not parts.scheme or (len(parts.scheme) == 1 and tracking_uri[1:_WINDOWS_DRIVE] == ":\\")
    return Path(tracking_uri).exists() if local else True


def experiment_count() -> int:
    """Ask the current store how many experiments it has, which shows whether it answers.

    Raises:
        TrackingError: It does not.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return len(_experiments(MlflowClient(), None))
    except MlflowException as error:
        raise TrackingError(f"{current_store()} does not answer: {error.message}") from error


def has_run(run_id: str) -> bool:
    """Tell whether the current store has a run of this id.

    Raises:
        TrackingError: The store does not answer.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return False
        raise TrackingError(f"MLflow run '{run_id}' cannot be read: {error.message}") from error
    return True


def stored_runs(
    *,
    job_name: str | None = None,
    experiment: str | None = None,
    statuses: frozenset[str] = frozenset(),
    limit: int | None = None,
) -> Iterator[StoredRun]:
    """Give the runs of this backend in the current store, newest first, a page at a time.

    Args:
        job_name: Only those of this job.
        experiment: Only those of the experiment of this name or id.
        statuses: Only those at one of these MLflow run statuses; empty: all.
        limit: How many are wanted, which makes the pages no larger than that; None: all.

    Raises:
        TrackingError: The store does not answer, or has no such experiment.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        page = min(limit or _PAGE, _PAGE)
        yield from _search(MlflowClient(), job_name, experiment, statuses, page)
    except MlflowException as error:
        raise TrackingError(f"The runs cannot be searched: {error.message}") from error


def _search(
    client: MlflowClient,
    job_name: str | None,
    experiment: str | None,
    statuses: frozenset[str],
    size: int,
) -> Iterator[StoredRun]:
    names = _experiments(client, experiment)
    # A quote in the name cannot be escaped in MLflow's filters; no job's name has one.
    wanted = f"tags.`{JOB_NAME}` = '{job_name}'" if job_name else f"tags.`{JOB_NAME}` != ''"
    if len(statuses) == 1:
        wanted += f" and attributes.status = '{next(iter(statuses))}'"
    token = None
    while names:
        page = client.search_runs(
            list(names),
            wanted,
            # MLflow's filters know no `or`: of several statuses a page may hold few.
            max_results=size if len(statuses) <= 1 else _PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        for run in page:
            found = _stored(run, names)
            if found and (not statuses or found.status in statuses):
                yield found
        token = page.token
        if not token:
            return


def _experiments(client: MlflowClient, wanted: str | None) -> dict[str, str]:
    """Give the names of all experiments, or of one, by their ids."""
    names: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(max_results=_EXPERIMENTS, page_token=token)
        names |= {experiment.experiment_id: experiment.name for experiment in page}
        token = page.token
        if not token:
            break
    if wanted is None:
        return names
    chosen = {key: name for key, name in names.items() if wanted in {key, name}}
    if not chosen:
        raise TrackingError(
            f"There is no experiment '{wanted}'. There are: {', '.join(sorted(names.values()))}."
        )
    return chosen


def _stored(run: Run, experiments: dict[str, str]) -> StoredRun | None:
    tags = run.data.tags
    workspace = WorkspaceRef.find_in(tags.get(WORKSPACE, ""))
    if workspace is None or not tags.get(JOB_NAME):
        return None
    return StoredRun(
        run_id=run.info.run_id,
        handle=JobHandle(
            workspace=workspace,
            job_name=tags[JOB_NAME],
            studio_url=tags.get(STUDIO_URL),
            machine=tags.get(MACHINE),
        ),
        name=tags.get("mlflow.runName"),
        status=run.info.status,
        experiment_name=experiments.get(run.info.experiment_id, run.info.experiment_id),
        started=_instant(run.info.start_time),
        ended=_instant(run.info.end_time),
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc) if milliseconds else None
