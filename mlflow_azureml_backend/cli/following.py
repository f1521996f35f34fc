"""`mlflow-azureml logs`, `status`, `wait`, `cancel`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.exit_codes import COMPLETED, LOST_CONTACT, exit_code_of
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding, run_argument, runs_argument
from mlflow_azureml_backend.cli.since import read_since

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mlflow_azureml_backend.runs import RunState


@click.command(epilog="Example: mlflow-azureml logs -f --tail 100 latest")
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option("--rank", "ranks", type=click.IntRange(min=0), multiple=True, help="Only this rank.")
@click.option("--file", "files", multiple=True, help="Only files that fit this pattern.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="Only what is newer: `10m`, `2h`, `1d`, or a time.",
)
@click.option("--tail", type=click.IntRange(min=0), help="Begin with each file's last N lines.")
@click.option("--timestamps", "-t", is_flag=True, help="Begin each line with its time.")
@click.option("--system", is_flag=True, help="The service's own logs as well.")
@click.option("--raw", is_flag=True, help="Leave control sequences as they are.")
@click.option("--quiet", "-q", is_flag=True, help="Only the job's lines, nothing of ours.")
@finding
def logs(
    run: str,
    follow: bool,
    ranks: tuple[int, ...],
    files: tuple[str, ...],
    since: datetime | None,
    tail: int | None,
    timestamps: bool,
    system: bool,
    raw: bool,
    quiet: bool,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Print the log of a run's job.

    RUN is an MLflow run id, the name of a job, or `latest`. When the job has ended, the MLflow run
    is completed and the exit code is the job's: 0 Completed, 1 Failed, 3 Canceled; 4 when contact
    was lost. Ctrl-C stops the printing, not the job. With --json each line is an object that says
    in `event` what it is.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import runs
        from mlflow_azureml_backend.cli.json_display import JsonDisplay
        from mlflow_azureml_backend.follow import LogSelection, display_for

        selection = LogSelection(ranks=ranks, files=files, system=system, since=since, tail=tail)
        display = (
            JsonDisplay(quiet=quiet)
            if as_json
            else display_for(stream=True, raw=raw, timestamps=timestamps, quiet=quiet)
        )
        with _going_on(run):
            state = runs.logs(
                run, follow=follow, selection=selection, workspace=workspace, display=display
            )
    sys.exit(exit_code_of([state]) if state.has_ended else COMPLETED)


@click.command(epilog="Example: mlflow-azureml status latest")
@run_argument
@click.option(
    "--exit-code", is_flag=True, help="End with 0 Completed, 1 Failed, 3 Canceled, 4 not ended."
)
@finding
def status(run: str, exit_code: bool, workspace: str | None, as_json: bool) -> None:
    """Print the status of a run's job, in Azure ML's words.

    RUN is an MLflow run id, the name of a job, or `latest`. Nothing is changed. Of a pipeline, a
    line for each step that has begun follows.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import runs

        state = runs.status(run, workspace=workspace)
    if as_json:
        click.echo(json.dumps(state.as_json()))
    else:
        click.echo(_status(state))
        for name, step in (state.steps or {}).items():
            click.echo(f"{name}\t{step.value}")
    sys.exit(exit_code_of([state]) if exit_code else COMPLETED)


@click.command(epilog="Example: mlflow-azureml wait --timeout 3600 latest")
@runs_argument
@click.option("--timeout", type=click.FloatRange(min=0), help="Wait at most so many seconds.")
@finding
def wait(
    runs: tuple[str, ...], timeout: float | None, workspace: str | None, as_json: bool
) -> None:
    """Wait for the ends of runs' jobs, without their logs; complete the MLflow runs.

    RUN is an MLflow run id, the name of a job, or `latest`. The exit code is that of the worst: 4
    not ended or out of contact, 1 Failed, 3 Canceled, 0 Completed.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.runs import wait as wait_for

        with _going_on(*runs):
            states = wait_for(*runs, timeout=timeout, workspace=workspace)
    _print(states, as_json=as_json)
    sys.exit(exit_code_of(states))


@click.command(epilog="Example: mlflow-azureml cancel latest")
@runs_argument
@click.option("--no-wait", is_flag=True, help="Do not wait until the jobs have ended.")
@finding
def cancel(runs: tuple[str, ...], no_wait: bool, workspace: str | None, as_json: bool) -> None:
    """Cancel runs' jobs and wait for their ends; complete the MLflow runs.

    RUN is an MLflow run id, the name of a job, or `latest`. A job that has ended already stays as
    it is. The exit code is 0 when every job has ended, or was asked to with --no-wait.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.runs import cancel as cancel_all

        states = cancel_all(*runs, workspace=workspace, until_ended=not no_wait)
    _print(states, as_json=as_json)
    sys.exit(COMPLETED if no_wait or all(s.has_ended for s in states) else LOST_CONTACT)


@contextlib.contextmanager
def _going_on(*runs: str) -> Iterator[None]:
    """Say at Ctrl-C that it is not the jobs that end."""
    try:
        yield
    except KeyboardInterrupt:
        for run in runs:
            click.echo(f"The job goes on. Follow it with: mlflow-azureml logs -f {run}", err=True)
        raise


def _print(states: Sequence[RunState], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([state.as_json() for state in states]))
        return
    for state in states:
        # One run needs no name, as it was just typed.
        click.echo(_status(state) if len(states) == 1 else f"{state.run_id}\t{_status(state)}")
        if not state.has_ended:
            reason = state.error or "The job is still running."
            click.echo(f"{state.run_id}: {reason}", err=True)


def _status(state: RunState) -> str:
    return "Unknown" if state.status is None else state.status.value
