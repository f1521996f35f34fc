"""Compare runs: what differs between their params and metrics."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.location import workspace_named
from mlflow_azureml_backend.errors import ConfigError, NotFoundError
from mlflow_azureml_backend.job import WorkspaceRef
from mlflow_azureml_backend.metric_curve import json_number
from mlflow_azureml_backend.runs.reference import LATEST, find_run, workspace_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.tracking.run_data import RunData

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[\w-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedValue:
    """One param or metric over all runs.

    Args:
        kind: `param` or `metric`.
        values: Of each run, in their order; None where a run has none.
    """

    kind: str
    key: str
    values: tuple[str | float | None, ...]

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same."""
        # By what they are written as: NaN is not equal to itself.
        return len({repr(value) for value in self.values}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several runs, side by side.

    Args:
        runs: As they were named.
        values: What differs first; params before metrics, by name.
    """

    runs: tuple[RunData, ...]
    values: tuple[ComparedValue, ...]

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "runs": [
                {
                    "run_id": run.run_id,
                    "name": run.name,
                    "status": run.status,
                    "link": run.link,
                    "params": dict(run.params),
                    "metrics": {key: json_number(value) for key, value in run.metrics.items()},
                }
                for run in self.runs
            ],
            "values": [
                {
                    "kind": value.kind,
                    "key": value.key,
                    "differs": value.differs,
                    "values": [
                        json_number(each) if isinstance(each, float) else each
                        for each in value.values
                    ],
                }
                for value in self.values
            ],
        }


def compare(*references: str, workspace: str | WorkspaceRef | None = None) -> Comparison:
    """Put the params and the last metrics of runs side by side.

    Args:
        references: MLflow run ids, also of runs that no job logged; jobs' names; `latest`; or
            `STORE#RUN` for a run of another MLflow store, such as `sqlite:///other.db#RUN_ID`.
        workspace: Where runs are that the store does not know; see `find_run`.

    Raises:
        AzureMLBackendError: There is no such run, or a store or the service refused.
    """
    where = workspace_named(workspace)
    return comparison_of([_read(reference.strip(), where) for reference in references])


def comparison_of(runs: Sequence[RunData]) -> Comparison:
    """Compare what was read of runs."""
    values = [
        ComparedValue(kind=kind, key=key, values=tuple(data.get(key) for data in all_data))
        for kind, all_data in (
            ("param", [run.params for run in runs]),
            ("metric", [run.metrics for run in runs]),
        )
        for key in sorted({key for data in all_data for key in data})
    ]
    return Comparison(
        runs=tuple(runs), values=tuple(sorted(values, key=lambda value: not value.differs))
    )


def _read(reference: str, workspace: WorkspaceRef | None) -> RunData:
    from mlflow_azureml_backend.tracking.run_data import run_data
    from mlflow_azureml_backend.tracking.search import current_store, store_exists

    store, mark, run_id = reference.rpartition("#")
    if mark:
        return _elsewhere(store, run_id)
    in_store = workspace_store() is None and store_exists(current_store())
    if in_store and _RUN_ID.fullmatch(reference) and (data := run_data(reference)):
        return data
    try:
        found = find_run(reference, workspace=workspace)
    except NotFoundError:
        # A run that a script has logged to the workspace is no job's.
        where = workspace or workspace_store() or _discovered()
        if reference == LATEST or where is None or not _NAME.fullmatch(reference):
            raise
        return _of_workspace(where, reference)
    stored = run_data(found.run_id) if found.run_id else None
    return stored or _of_workspace(found.handle.workspace, found.job_name)


def _elsewhere(store: str, run_id: str) -> RunData:
    from mlflow_azureml_backend.tracking.run_data import run_data
    from mlflow_azureml_backend.tracking.search import store_exists

    where = WorkspaceRef.find_in(store) if store.startswith("azureml:") else None
    if where is not None:
        return _of_workspace(where, run_id)
    data = run_data(run_id, tracking_uri=store) if store_exists(store) else None
    if data is None:
        raise NotFoundError(f"There is no MLflow run '{run_id}' in {store}.")
    return data


def _of_workspace(where: WorkspaceRef, run_id: str) -> RunData:
    from mlflow_azureml_backend.tracking.run_data import RunData
    from mlflow_azureml_backend.workspace import connect

    try:
        run = connect(where).tracked_run(run_id).read()
    except NotFoundError as error:
        raise NotFoundError(
            f"There is no MLflow run '{run_id}' in workspace '{where.workspace_name}'."
        ) from error
    data = run.get("data") or {}
    tags: Mapping[str, str] = {tag["key"]: tag.get("value", "") for tag in data.get("tags", [])}
    return RunData(
        run_id=run_id,
        name=tags.get("mlflow.runName"),
        status=str(run["info"].get("status") or "UNKNOWN"),
        params={item["key"]: str(item.get("value", "")) for item in data.get("params", [])},
        metrics={item["key"]: float(item["value"]) for item in data.get("metrics", [])},
        link=tags.get("azureml.studio_url"),
    )


def _discovered() -> WorkspaceRef | None:
    try:
        return locate_workspace(None, tracking_uri="", environ=os.environ, project_root=Path.cwd())
    except ConfigError:
        return None
