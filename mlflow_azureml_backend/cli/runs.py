"""The verbs that take an MLflow run id."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAILED, _CANCELED, _LOST_CONTACT = 1, 3, 4
_EXIT_CODES = {"FINISHED": 0, "FAILED": _FAILED, "KILLED": _CANCELED}


@click.command(epilog="Example: mlflow-azureml logs -f 5c2e…")
@click.argument("run_id")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
def logs(run_id: str, follow: bool) -> None:
    """Print the log of a run's job."""
    from mlflow_azureml_backend.submitted_run import attach

    with _one_line_errors():
        run = attach(run_id)
        if follow or run.job_status.is_terminal:
            run.wait()
            sys.exit(_EXIT_CODES.get(run.get_status(), _FAILED))
        run.show_log()


@click.command(epilog="Example: mlflow-azureml status 5c2e…")
@click.argument("run_id")
def status(run_id: str) -> None:
    """Print the status of a run's job, in Azure ML's words."""
    from mlflow_azureml_backend.submitted_run import attach

    with _one_line_errors():
        click.echo(attach(run_id).job_status.value)


@click.command(epilog="Example: mlflow-azureml wait 5c2e…")
@click.argument("run_id")
def wait(run_id: str) -> None:
    """Wait for the end of a run's job, without its log; complete the MLflow run.

    Exit code: 0 Completed, 1 Failed, 3 Canceled, 4 lost contact.
    """
    from mlflow_azureml_backend.follow import SilentDisplay
    from mlflow_azureml_backend.submitted_run import attach

    with _one_line_errors():
        run = attach(run_id, display=SilentDisplay())
        run.wait()
        click.echo(run.job_status.value)
        sys.exit(_EXIT_CODES.get(run.get_status(), _FAILED))


@click.command(epilog="Example: mlflow-azureml cancel 5c2e…")
@click.argument("run_id")
def cancel(run_id: str) -> None:
    """Cancel a run's job and wait for its end."""
    from mlflow_azureml_backend.follow import SilentDisplay
    from mlflow_azureml_backend.submitted_run import attach

    with _one_line_errors():
        run = attach(run_id, display=SilentDisplay())
        run.cancel()
        click.echo(run.job_status.value)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    from mlflow_azureml_backend.errors import FollowError

    try:
        yield
    except FollowError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(_LOST_CONTACT)
    except MlflowException as error:
        raise click.ClickException(str(error)) from error
