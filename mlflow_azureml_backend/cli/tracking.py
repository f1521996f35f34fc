"""`mlflow-azureml tracking-uri`, `env`."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

workspace_argument = click.argument("workspace", required=False, metavar="[WORKSPACE]")


@click.command("tracking-uri", epilog="Example: mlflow-azureml tracking-uri emulator")
@workspace_argument
@json_option
def tracking_uri(workspace: str | None, as_json: bool) -> None:
    """Print the MLflow tracking URI of a workspace.

    WORKSPACE is `emulator`, the path of a config.json, an ARM id, or SUBSCRIPTION/GROUP/WORKSPACE;
    by default the one that a run without `workspace` in its config would find.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import workspace_store

        uri = workspace_store.tracking_uri(workspace)
    click.echo(json.dumps({"tracking_uri": uri}) if as_json else uri)
    _tell_what_is_lacking()


@click.command(epilog='Example: eval "$(mlflow-azureml env emulator)"')
@workspace_argument
@click.option(
    "--shell",
    type=click.Choice(["sh", "fish", "powershell", "cmd"]),
    default="powershell" if sys.platform == "win32" else "sh",
    show_default=True,
    help="Whose words to use.",
)
@json_option
def env(workspace: str | None, shell: str, as_json: bool) -> None:
    """Print shell commands after which MLflow programs of this shell log to a workspace.

    WORKSPACE is named as for `tracking-uri`. For the emulator that includes the way to it and a
    credential that is valid nowhere else; for Azure it is the tracking URI alone.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import workspace_store

        variables = workspace_store.tracking_variables(workspace)
    if as_json:
        click.echo(json.dumps(variables))
    else:
        for line in exports(variables, shell):
            click.echo(line)
    _tell_what_is_lacking()


def exports(variables: Mapping[str, str], shell: str) -> list[str]:
    """Write environment variables as commands of a shell, whatever their values contain.

    Args:
        variables: Name -> value.
        shell: `sh`, `fish`, `powershell` or `cmd`.
    """
    return [_EXPORTS[shell](name, value) for name, value in variables.items()]


def _fish(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{quoted}'"


def _powershell(name: str, value: str) -> str:
    quoted = value.replace("'", "''")
    return f"$env:{name} = '{quoted}'"


_EXPORTS: Mapping[str, Callable[[str, str], str]] = {
    "sh": lambda name, value: f"export {name}={shlex.quote(value)}",
    "fish": _fish,
    "powershell": _powershell,
    "cmd": lambda name, value: f'set "{name}={value}"',
}


def _tell_what_is_lacking() -> None:
    """Say on stderr, past `eval`, when MLflow here could not use the store."""
    from mlflow_azureml_backend.workspace_store import plugin_lacks

    lacking = plugin_lacks()
    if lacking:
        click.echo(f"Note: {lacking}", err=True)
