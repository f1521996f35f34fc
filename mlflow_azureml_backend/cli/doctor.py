"""`mlflow-azureml doctor`: what keeps a run from working."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.exit_codes import COMPLETED, FAILED
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding
from mlflow_azureml_backend.cli.tables import plain

if TYPE_CHECKING:
    from mlflow_azureml_backend.diagnosis import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}
_INDENT = " " * 9


@click.command(epilog="Example: mlflow-azureml doctor -c azureml.json")
@click.option(
    "--backend-config",
    "-c",
    type=click.Path(exists=True, dir_okay=False),
    help="The config of the run that does not work.",
)
@finding
def doctor(backend_config: str | None, workspace: str | None, as_json: bool) -> None:
    """Look at everything that a run needs, and say what to do about what is wrong.

    Versions and known-bad pairs, which `azureml` backend MLflow takes, the tracking store, the
    credential, workspace and compute, Docker, conda tools, the emulator. Nothing is changed. The
    exit code is 1 when something fails; warnings do not count.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend.diagnosis import doctor as look

        findings = []
        for found in look(backend_config, workspace=workspace):
            findings.append(found)
            if not as_json:
                _print(found)
    healthy = not any(found.state.value == "failure" for found in findings)
    if as_json:
        document = {"ok": healthy, "findings": [found.as_json() for found in findings]}
        click.echo(json.dumps(document))
    sys.exit(COMPLETED if healthy else FAILED)


def _print(found: Finding) -> None:
    state = found.state.value
    mark = click.style(f"{state:<9}", fg=_COLOURS[state])
    click.echo(f"{mark}{found.name:<20}{plain(found.found)}")
    for line in found.details:
        click.echo(f"{_INDENT}{'':<20}{plain(line)}")
    if found.fix:
        click.echo(f"{_INDENT}{'':<20}Fix: {found.fix}")
