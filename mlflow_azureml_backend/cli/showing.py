"""`mlflow-azureml show`, `compare`."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding, run_argument, runs_argument
from mlflow_azureml_backend.cli.sparkline import sparkline
from mlflow_azureml_backend.cli.tables import artifact_tree, length, plain, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.metric_curve import MetricCurve
    from mlflow_azureml_backend.model_spec import ModelVersion
    from mlflow_azureml_backend.runs import RunDescription

_WIDTH = 13
_SHORT = 12


@click.command(epilog="Example: mlflow-azureml show latest")
@run_argument
@finding
def show(run: str, workspace: str | None, as_json: bool) -> None:
    """Describe a run: status, times, params, metrics, artifacts with sizes, models, links.

    RUN is an MLflow run id, the name of a job, or `latest`.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import runs

        found = runs.show(run, workspace=workspace)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _print(found)


@click.command(epilog="Example: mlflow-azureml compare RUN_ID latest")
@runs_argument
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all runs.")
@finding
def compare(runs: tuple[str, ...], everything: bool, workspace: str | None, as_json: bool) -> None:
    """Print a table of the params and last metrics that differ between runs.

    RUN is an MLflow run id, also of a run that no job logged, the name of a job, `latest`, or
    STORE#RUN_ID for a run of another MLflow store.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.runs import compare as compare_all

        found = compare_all(*runs, workspace=workspace)
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    shown = [value for value in found.values if everything or value.differs]
    rows = [
        ("", "name", *(run.name or "" for run in found.runs)),
        ("", "status", *(run.status for run in found.runs)),
        *((value.kind, value.key, *map(_value, value.values)) for value in shown),
    ]
    ids = [run.run_id if len(run.run_id) <= _SHORT else run.run_id[:_SHORT] for run in found.runs]
    if sys.stdout.isatty():
        print_table(("", "RUN", *ids), rows)
    else:
        print_table((), [("", "run", *(run.run_id for run in found.runs)), *rows])
    left = len(found.values) - len(shown)
    if left:
        click.echo(f"{left} more are the same in all of them: --all", err=True)


def _value(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.6g}"


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
    _field("MLflow", found.link)
    _section("Tags", facts.tags)
    _section("Params", found.params)
    _section(
        "Metrics",
        {key: _metric(value, found.curves.get(key)) for key, value in summary.metrics.items()},
    )
    if summary.artifacts:
        click.echo("\nArtifacts")
        for line in artifact_tree([(file.path, file.size) for file in summary.artifacts]):
            click.echo(f"  {line}")
    _section("Outputs", summary.outputs)
    _section("Models", {model.uri: _model(model) for model in found.models})
    for note in found.notes:
        click.echo(f"Note: {note}", err=True)


def _metric(value: float, curve: MetricCurve | None) -> str:
    text = f"{value:<12.6g}"
    if curve is None or curve.points < 2 or curve.lowest is None:  # noqa: PLR2004  # no curve
        return text.rstrip()
    line = sparkline(curve.values, encoding=sys.stdout.encoding)
    points = f"{curve.points}{'' if curve.complete else ' or more'} points"
    return f"{text} {line}  {points}, {curve.lowest:.6g} to {curve.highest:.6g}"


def _model(model: ModelVersion) -> str:
    told = [model.status, *(f"@{alias}" for alias in model.aliases), model.link or ""]
    return " ".join(part for part in told if part)


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
