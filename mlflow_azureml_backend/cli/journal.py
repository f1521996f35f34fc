"""`mlflow-azureml emulator journal`: what was asked, by whom, and how it was answered."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from mlflow_azureml_backend.cli.running_emulator import ask, running_or_none
from mlflow_azureml_backend.emulator.faults.parsing import FaultError, workspace_id

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = "/_emulator/journal"
_PAUSE_SECONDS = 0.5
_LONGEST_CLIENT = 40


@click.command(epilog="Example: mlflow-azureml emulator journal --limit 20")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is asked from now on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--workspace", help="ARM id, or SUBSCRIPTION/GROUP/WORKSPACE.")
@click.option("--client", default="", help="Part of the User-Agent.")
@click.option("--limit", default=100, show_default=True, help="The newest so many.")
def journal(follow: bool, as_json: bool, workspace: str | None, client: str, limit: int) -> None:
    """Print the requests that the emulator was asked, oldest first.

    Of what was sent nothing but method, host, path, sizes and the client's name is kept.
    """
    try:
        named = workspace_id(workspace) if workspace else ""
    except FaultError as error:
        raise click.ClickException(str(error)) from error
    filters = {"workspace": named, "client": client}
    if running_or_none() is None and not follow:
        _print(_kept(limit=limit, **filters), as_json=as_json)
        return
    since = 0
    while True:
        page = ask("GET", f"{_PATH}?{urlencode({'since': since, 'limit': limit, **filters})}")
        _print(page["entries"], as_json=as_json)
        if not follow:
            return
        since = page["next"]
        if not page["entries"]:
            time.sleep(_PAUSE_SECONDS)


def _kept(**filters: Any) -> list[dict[str, Any]]:
    """Read the file of an emulator that does not run."""
    from mlflow_azureml_backend.emulator.endpoint import default_root
    from mlflow_azureml_backend.emulator.journal import FILE_NAME, read_closed

    return [entry.as_json() for entry in read_closed(default_root() / FILE_NAME, **filters)]


def _print(entries: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    for entry in entries:
        click.echo(json.dumps(entry) if as_json else _line(entry))


def _line(entry: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(entry["time"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    status = entry["status"] or "---"
    faults = f"  [{', '.join(entry['faults'])}]" if entry["faults"] else ""
    return (
        f"{moment}  {status}  {entry['method']:<7} {entry['host']}{entry['path']}  "
        f"in {entry['received']} out {entry['sent']} bytes, {entry['seconds'] * 1000:.0f} ms  "
        f"{entry['client'][:_LONGEST_CLIENT]}{faults}"
    )
