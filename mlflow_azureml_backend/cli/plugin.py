"""`mlflow-azureml plugin`: which azureml-mlflow goes into which environment."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from importlib.resources import as_file, files
from pathlib import Path

import click


@click.group()
def plugin() -> None:
    """The table of azureml-mlflow releases, by which a job's environment gets the right one."""


@plugin.command(epilog="Example: mlflow-azureml plugin refresh --output releases.json")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; default: the table of this installation.",
)
def refresh(output: Path | None) -> None:
    """Ask the package index that pip uses for releases that the table does not know yet."""
    from mlflow_azureml_backend.translate.plugin_releases import TABLE, read_releases
    from mlflow_azureml_backend.workspace.package_index import PackageIndexError, plugin_document

    with as_file(files("mlflow_azureml_backend.translate").joinpath(TABLE)) as installed:
        known = json.loads(installed.read_text("utf-8"))
        target = output or installed
        try:
            found = plugin_document(known, today=datetime.now(timezone.utc).date())
        except PackageIndexError as error:
            raise click.ClickException(str(error)) from error
        newest = read_releases(found)
        try:
            target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise click.ClickException(
                f"{target} cannot be written: {error.strerror}. Name another file with --output."
            ) from error
    added = sorted(set(found["releases"]) - set(known["releases"]))
    click.echo(f"New: {', '.join(added) or 'none'}.")
    click.echo(
        f"Newest: azureml-mlflow {newest.releases[0].version}, MLflow to {newest.newest_mlflow}."
    )
    click.echo(f"Written: {target}")
