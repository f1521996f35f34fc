"""Complete run ids in the shell, where that is cheap: MLflow itself takes seconds to import."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

_SQLITE = "sqlite:///"
_DEFAULT_STORE = "sqlite:///mlflow.db"
_MOST = 50
# The newest runs of this backend, by the tag that holds their job; read only, past MLflow.
_QUERY = """
    SELECT runs.run_uuid, tags.value, runs.status FROM runs JOIN tags USING (run_uuid)
    WHERE tags.key = 'azureml.job_name' AND runs.lifecycle_stage = 'active'
    AND (runs.run_uuid LIKE :prefix OR tags.value LIKE :prefix)
    ORDER BY runs.start_time DESC LIMIT :most
"""


def complete_run(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer `latest`, and the runs of a local SQLite store with their jobs' names.

    Args:
        context: Click's; not used.
        parameter: Click's; not used.
        incomplete: What has been typed.
    """
    del context, parameter
    found = [CompletionItem("latest", help="the newest run")]
    for run_id, job_name, status in _stored(incomplete):
        if run_id.startswith(incomplete):
            found.append(CompletionItem(run_id, help=f"{job_name} {status}"))
        else:
            found.append(CompletionItem(job_name, help=f"{run_id} {status}"))
    return [item for item in found if item.value.startswith(incomplete)]


def _stored(prefix: str) -> list[tuple[str, str, str]]:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or _DEFAULT_STORE
    file = Path(unquote(uri.removeprefix(_SQLITE)))
    if not uri.startswith(_SQLITE) or not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            return list(store.execute(_QUERY, {"prefix": f"{prefix}%", "most": _MOST}))
    except sqlite3.Error:  # another MLflow's tables; a completion is no place for an error
        return []
