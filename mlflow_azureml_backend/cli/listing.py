"""`mlflow-azureml list`, `show`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding, run_argument
from mlflow_azureml_backend.cli.tables import length, plain, print_table, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.runs import RunDescription

_HEADINGS = ("RUN", "JOB", "STATUS", "EXPERIMENT", "AGE", "DURATION")
_WIDTH = 13


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


@click.command(epilog="Example: mlflow-azureml show latest")
@run_argument
@finding
def show(run: str, workspace: str | None, as_json: bool) -> None:
    """Describe a run: status, times, params, last metrics, artifacts with sizes, links.

    RUN is an MLflow run id, the name of a job, or `latest`.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import runs

        found = runs.show(run, workspace=workspace)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _print(found)


def _print(found: RunDescription) -> None:
    facts, summary = found.facts, found.facts.summary
    now = datetime.now(timezone.utc)
    ran = None if facts.started is None else ((facts.ended or now) - facts.started).total_seconds()
    _field("Status", facts.status.value)
    _field("Error", facts.error)
    _field("MLflow run", found.run_id)
    _field("Job", facts.job_name)
    _field("Name", facts.display_name)
    _field("Experiment", facts.experiment_name)
    _field("Workspace", found.workspace.workspace_name)
    _field("Compute", facts.compute or "serverless")
    _field("Created", _moment(facts.created))
    _field("Started", _moment(facts.started))
    _field("Ended", _moment(facts.ended))
    _field("Duration", None if ran is None else length(ran))
    _field("Link", facts.studio_url)
    _section("Tags", facts.tags)
    _section("Params", summary.params)
    _section("Metrics", {key: f"{value:.6g}" for key, value in summary.metrics.items()})
    _section("Artifacts", {file.path: size(file.size) for file in summary.artifacts})
    _section("Outputs", summary.outputs)


def _field(name: str, value: str | None) -> None:
    if value:
        click.echo(f"{name:<{_WIDTH}}{plain(value)}")


def _section(name: str, values: Mapping[str, str]) -> None:
    if not values:
        return
    click.echo(f"\n{name}")
    width = max(map(len, values))
    for key, value in sorted(values.items()):
        click.echo(f"  {plain(key):<{width}}  {plain(value)}")


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
