"""`mlflow-azureml emulator`: the offline workspace's life."""

from __future__ import annotations

import contextlib
import json
import shlex
import webbrowser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_azureml_backend.cli.faults import fault_file, faults, replace_faults
from mlflow_azureml_backend.cli.journal import journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint


@click.group()
def emulator() -> None:
    """An Azure ML workspace on this machine, for runs with no Azure account."""


for command in (faults, journal):
    emulator.add_command(command)


@emulator.command(epilog="Example: mlflow-azureml emulator start")
@click.option(
    "--runtime",
    type=click.Choice(["venv", "conda", "docker", "host"]),
    default="venv",
    show_default=True,
    help="What jobs run in: a virtual environment, conda packages, a container, or this Python.",
)
@click.option("--port", default=0, help="Port on 127.0.0.1; default: the last one, or any.")
@click.option(
    "--idle-seconds",
    default=1800.0,
    show_default=True,
    help="End after so long without requests and jobs; 0: never.",
)
@click.option(
    "--pass-through/--no-pass-through",
    default=True,
    show_default=True,
    help="Let its proxy lead to hosts that are not Azure's too.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False),
    help="YAML or JSON file of faults to be in force from the start.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False),
    help="Write every exchange with the services to this file, secrets masked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print how clients reach it, as JSON.")
def start(
    runtime: str,
    port: int,
    idle_seconds: float,
    pass_through: bool,
    faults_file: str | None,
    record: str | None,
    as_json: bool,
) -> None:
    """Start the emulator in the background, if it is not up."""
    from mlflow_azureml_backend.emulator import lifecycle

    planned = None if faults_file is None else fault_file(Path(faults_file))
    endpoint = _started(
        runtime=runtime,
        port=port,
        idle_seconds=idle_seconds or None,
        pass_through=pass_through,
        record=None if record is None else Path(record).absolute(),
    )
    if planned is not None:
        replace_faults(planned)
    if as_json:
        # What joins the package to the emulator: it starts this command, and imports nothing.
        variables = lifecycle.environment(endpoint)
        click.echo(json.dumps({**asdict(endpoint), "variables": variables}))
    else:
        click.echo(f"The emulator answers at {endpoint.address} (process {endpoint.pid}).")


@emulator.command(epilog="Example: mlflow-azureml emulator stop")
def stop() -> None:
    """Stop the emulator; its runs are there again at the next start."""
    from mlflow_azureml_backend.emulator import lifecycle

    with _one_line_errors():
        stopped = lifecycle.stop()
    click.echo("The emulator is stopped." if stopped else "No emulator was running.")


@emulator.command(epilog="Example: mlflow-azureml emulator status")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status(as_json: bool) -> None:
    """Tell whether the emulator is up; exit code 1 when it is not."""
    from mlflow_azureml_backend.emulator import lifecycle

    with _one_line_errors():
        endpoint = lifecycle.running()
        facts = None if endpoint is None else lifecycle.status(endpoint)
    if as_json:
        click.echo(json.dumps(facts))
    elif facts is None:
        click.echo("The emulator is not running.")
    else:
        for name, value in facts.items():
            click.echo(f"{name:<14} {value}")
    if facts is None:
        raise SystemExit(1)


@emulator.command(epilog='Example: eval "$(mlflow-azureml emulator env)"')
def env() -> None:
    """Print shell commands that point this shell's Azure clients at the emulator."""
    from mlflow_azureml_backend.emulator import lifecycle

    for name, value in lifecycle.environment(_started()).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@emulator.command("open", epilog="Example: mlflow-azureml emulator open")
@click.argument("run_id", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the link, open no browser.")
def open_page(run_id: str | None, only_print: bool) -> None:
    """Let this machine's browser in and open the page of a run, or the emulator's first page.

    The link that it makes lets one browser in, once, within two minutes.
    """
    from mlflow_azureml_backend.emulator import lifecycle

    endpoint = _started()
    with _one_line_errors():
        path = "/" if run_id is None else _page_of(run_id)
        link = lifecycle.browser_link(endpoint, path)
    if only_print or not webbrowser.open(link):
        click.echo(link)


@emulator.command(epilog="Example: mlflow-azureml emulator reset --yes")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop the emulator and forget everything it knows: jobs, runs, environments."""
    from mlflow_azureml_backend.emulator import lifecycle

    if not yes:
        click.confirm("Forget all jobs, runs and environments of the emulator?", abort=True)
    with _one_line_errors():
        lifecycle.reset()
    click.echo("The emulator is stopped and empty.")


def _page_of(run_id: str) -> str:
    from urllib.parse import urlsplit

    from mlflow_azureml_backend.errors import AzureMLBackendError
    from mlflow_azureml_backend.tracking import handle_of_run

    try:
        link = urlsplit(handle_of_run(run_id).studio_url or "/")
    except AzureMLBackendError as error:
        raise click.ClickException(str(error)) from error
    return f"{link.path}?{link.query}" if link.query else link.path


def _started(**options: Any) -> Endpoint:
    """Give the running emulator, or start one; only that needs the extra's packages."""
    from mlflow_azureml_backend.emulator import lifecycle
    from mlflow_azureml_backend.emulator.requirements import what_is_missing

    with _one_line_errors():
        found = lifecycle.running()
        if found is not None:
            return found
        missing = what_is_missing()
        if missing:
            raise click.ClickException(missing)
        return lifecycle.start(**options)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    from mlflow_azureml_backend.emulator.lifecycle import EmulatorError

    try:
        yield
    except EmulatorError as error:
        raise click.ClickException(str(error)) from error
