"""`mlflow-azureml download`, `open`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mlflow_azureml_backend.cli.exit_codes import COMPLETED, FAILED
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding, run_argument
from mlflow_azureml_backend.cli.tables import plain, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import JobHandle
    from mlflow_azureml_backend.runs import Download


@click.command(epilog="Example: mlflow-azureml download latest --path outputs --dest results")
@run_argument
@click.option(
    "--path",
    "paths",
    multiple=True,
    help="Only this file, folder or pattern; outputs are named-outputs/NAME.",
)
@click.option(
    "--dest",
    type=click.Path(file_okay=False),
    help="The folder.  [default: one here with the job's name]",
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@finding
def download(
    run: str,
    paths: tuple[str, ...],
    dest: str | None,
    quiet: bool,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Download the artifacts and named outputs of a run's job.

    RUN is an MLflow run id, the name of a job, or `latest`. Files that are there already are not
    downloaded again, and what broke off goes on where it was. The exit code is 0 only when all
    files are there.
    """
    with one_line_errors(as_json=as_json), _progress(quiet=quiet) as progress:
        from mlflow_azureml_backend import runs

        found = runs.download(run, paths, dest=dest, workspace=workspace, progress=progress)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _print(found, quiet=quiet)
    sys.exit(COMPLETED if found.is_complete else FAILED)


@click.command("open", epilog="Example: mlflow-azureml open latest")
@run_argument
@click.option("--print", "only_print", is_flag=True, help="Print the link, open no browser.")
@finding
def open_(run: str, only_print: bool, workspace: str | None, as_json: bool) -> None:
    """Open the page of a run's job in the browser, and print its link.

    RUN is an MLflow run id, the name of a job, or `latest`. The link to the emulator's page lets
    one browser in, once, within two minutes.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.runs import find_run
        from mlflow_azureml_backend.workspace import connect

        handle = find_run(run, workspace=workspace).handle
        if handle.studio_url is None:
            handle = connect(handle.workspace).handle(handle.job_name)
        link = _link(handle)
    click.echo(json.dumps({"job_name": handle.job_name, "url": link}) if as_json else link)
    if not only_print:
        click.launch(link)


def _link(handle: JobHandle) -> str:
    if handle.studio_url is None:
        from mlflow_azureml_backend.errors import NotFoundError

        raise NotFoundError(f"The service tells no page of job '{handle.job_name}'.")
    if not handle.workspace.is_emulated:
        return handle.studio_url
    from mlflow_azureml_backend.emulator import lifecycle

    endpoint = lifecycle.running()
    if endpoint is None:
        raise click.ClickException(
            "The emulator is not running. Start it with: mlflow-azureml emulator start"
        )
    page = urlsplit(handle.studio_url)
    path = f"{page.path}?{page.query}" if page.query else page.path
    try:
        return lifecycle.browser_link(endpoint, path)
    except lifecycle.EmulatorError as error:
        raise click.ClickException(str(error)) from error


class _Bar:
    """A progress bar of bytes on stderr."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None

    def begin(self, files: int, size: int) -> None:
        self._task = self._progress.add_task(f"{files} files", total=size)

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[_Bar | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


def _print(found: Download, *, quiet: bool) -> None:
    failed = [file for file in found.files if file.error]
    for file in failed:
        click.echo(f"Error: {plain(file.path)}: {file.error}", err=True)
    if not quiet:
        whole = [file for file in found.files if not file.error]
        read = sum(file.read for file in found.files)
        click.echo(
            f"{len(whole)} of {len(found.files)} files, "
            f"{size(sum(file.size for file in whole))} ({size(read)} read), are in {found.dest}"
        )
    if failed:
        click.echo("Run the same command again to go on.", err=True)
