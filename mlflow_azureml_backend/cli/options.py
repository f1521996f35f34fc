"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlflow_azureml_backend.cli.known_runs import complete_run

if TYPE_CHECKING:
    from collections.abc import Callable

_Command = TypeVar("_Command", bound="Callable[..., Any]")

run_argument = click.argument("run", metavar="RUN", shell_complete=complete_run)
runs_argument = click.argument(
    "runs", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
workspace_option = click.option(
    "--workspace",
    "-w",
    metavar="WORKSPACE",
    help="Where the job is: `emulator`, the path of a config.json, an ARM id, or "
    "SUBSCRIPTION/GROUP/WORKSPACE. Default: as the MLflow run says; else as a run without "
    "`workspace` in its config finds it.",
)


def _use_store(_context: click.Context, _parameter: click.Parameter, uri: str | None) -> None:
    if uri is not None:
        from mlflow_azureml_backend.tracking.search import use_store

        use_store(uri)


store_option = click.option(
    "--tracking-uri",
    metavar="URI",
    expose_value=False,
    callback=_use_store,
    help="The MLflow store that knows the run.  [default: as MLflow has it]",
)


def finding(command: _Command) -> _Command:
    """Give a command the options by which runs are found, and `--json`."""
    return store_option(workspace_option(json_option(command)))
