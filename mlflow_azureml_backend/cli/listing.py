"""`mlflow-azureml list`."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import click

from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding
from mlflow_azureml_backend.cli.tables import length, print_table

_HEADINGS = ("RUN", "JOB", "STATUS", "EXPERIMENT", "AGE", "DURATION")


@click.command("list", epilog="Example: mlflow-azureml list --status Failed --limit 5")
@click.option("--experiment", help="Only those of this experiment.")
@click.option(
    "--status", "statuses", multiple=True, help="Only those at this status, in either's words."
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="0: all of them."
)
@finding
def list_(
    experiment: str | None,
    statuses: tuple[str, ...],
    limit: int,
    workspace: str | None,
    as_json: bool,
) -> None:
    """List runs of this backend, newest first.

    Those of the MLflow store, with the status that was last written there; with --workspace the
    jobs of that workspace, with their own. --status takes the words of both: `Completed`,
    `FINISHED`.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.runs import list_runs

        found = list_runs(
            experiment=experiment, status=statuses, limit=limit or None, workspace=workspace
        )
    if as_json:
        click.echo(json.dumps([run.as_json() for run in found]))
        return
    now = datetime.now(timezone.utc)
    rows = [
        (
            run.run_id,
            run.job_name,
            run.status,
            run.experiment_name,
            length(run.age(now)),
            length(run.duration(now)),
        )
        for run in found
    ]
    if rows:
        print_table(_HEADINGS, rows)
    else:
        click.echo("There are no such runs.", err=True)
