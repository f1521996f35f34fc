"""`mlflow-azureml emulator faults`: what goes wrong, on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from mlflow_azureml_backend.cli.running_emulator import ask
from mlflow_azureml_backend.emulator.faults.fault import EFFECTS
from mlflow_azureml_backend.emulator.faults.parsing import (
    FaultError,
    parse_fault,
    read_fault_file,
    workspace_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlflow_azureml_backend.emulator.faults.fault import Fault

_PATH = "/_emulator/faults"
_FLAGS = {
    "html": "With --status: answer with the page of the web server in front of the service.",
    "handled": "With --status: carry the request out all the same.",
}
# Effects that may be switched on without a value.
_SWITCHES = ("hang", "truncate", "expired_token", "expired_sas")


@click.group()
def faults() -> None:
    """Let requests to the emulator fail, to see how clients take it.

    They last until they are cleared or the emulator ends.
    """


def _effect_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each effect and for each of its settings."""
    for name, kind in reversed(list(EFFECTS.items())):
        for option, form in reversed(list(kind.options.items())):
            flag = option in _FLAGS
            command = click.option(
                f"--{option.replace('_', '-')}",
                option,
                is_flag=flag,
                default=None,
                metavar=None if flag else "VALUE",
                help=_FLAGS.get(option, f"With --{name.replace('_', '-')}: {form}."),
            )(command)
        switch: dict[str, Any] = (
            {"is_flag": False, "flag_value": "true"} if name in _SWITCHES else {}
        )
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            metavar="VALUE",
            help=f"{kind.summary[0].upper()}{kind.summary[1:]} ({kind.form}).",
            **switch,
        )(command)
    return command


@faults.command(
    epilog="Example: mlflow-azureml emulator faults add --route 'GET */details' --status 429 "
    "--retry-after 2 --count 3"
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--route", help="METHOD host/path; `*` is anything, `{name}` one segment.")
@click.option("--service", help="arm, api, blob, login or vault.")
@click.option("--workspace", help="ARM id, or SUBSCRIPTION/GROUP/WORKSPACE.")
@click.option("--client", help="Part of the User-Agent.")
@click.option("--skip", help="Let so many matching requests pass first.")
@click.option("--count", help="Strike so many requests at most; default: all.")
@click.option("--probability", help="Chance that a matching request is struck, from 0 to 1.")
@click.option("--seed", help="Makes those chances the same every time.")
@_effect_options
def add(file: str | None, **given: Any) -> None:
    """Put one fault into force, or all of a FILE (YAML or JSON)."""
    document = {name: _value(name, value) for name, value in given.items() if value is not None}
    if file is not None and document:
        raise click.UsageError("Give a file or options, not both.")
    with_file = [] if file is None else fault_file(Path(file))
    try:
        added = with_file if file is not None else [parse_fault(document)]
    except FaultError as error:
        raise click.ClickException(str(error)) from error
    _show(ask("POST", _PATH, {"faults": [each.as_json() for each in added]})["faults"])


@faults.command("list", epilog="Example: mlflow-azureml emulator faults list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List the faults in force, and how many requests they met and struck."""
    found = ask("GET", _PATH)["faults"]
    if as_json:
        click.echo(json.dumps(found))
    elif not found:
        click.echo("No faults are in force.")
    else:
        _show(found)


@faults.command(epilog="Example: mlflow-azureml emulator faults clear")
@click.argument("number", required=False, type=int)
@click.option("--workspace", help="Only those of this workspace.")
def clear(number: int | None, workspace: str | None) -> None:
    """Take all faults out of force, those of one workspace, or the one of a NUMBER."""
    if number is not None:
        ask("DELETE", f"{_PATH}/{number}")
        click.echo("1 fault removed.")
        return
    try:
        query = f"?{urlencode({'workspace': workspace_id(workspace)})}" if workspace else ""
    except FaultError as error:
        raise click.ClickException(str(error)) from error
    removed = ask("DELETE", f"{_PATH}{query}")["removed"]
    click.echo(f"{removed} {'fault' if removed == 1 else 'faults'} removed.")


def fault_file(path: Path) -> list[Fault]:
    """Read a file of faults.

    Raises:
        click.ClickException: it is not valid; the message says where.
    """
    try:
        return list(read_fault_file(path))
    except FaultError as error:
        raise click.ClickException(str(error)) from error


def replace_faults(faults: Sequence[Fault]) -> None:
    """Put faults into force in the running emulator instead of all that are there."""
    ask("PUT", _PATH, {"faults": [each.as_json() for each in faults]})


def _value(name: str, text: Any) -> Any:
    """Read what was typed as the number or the truth value that it looks like."""
    if name in {"route", "service", "workspace", "client"} or not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(found: Sequence[dict[str, Any]]) -> None:
    for fault in found:
        named = {name: fault[name] for name in fault if name not in {"id", "met", "struck"}}
        settings = "  ".join(f"{name}={value}" for name, value in named.items())
        click.echo(f"{fault['id']:>4}  {settings}  (met {fault['met']}, struck {fault['struck']})")
