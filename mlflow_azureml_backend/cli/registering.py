"""`mlflow-azureml register`."""

from __future__ import annotations

import json

import click

from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import finding, run_argument


def read_tags(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Read `KEY=VALUE`; a value may have further equals signs."""
    tags: dict[str, str] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE.")
        tags[key] = value
    return tags


@click.command(epilog="Example: mlflow-azureml register latest --path model --name diabetes")
@run_argument
@click.option("--name", required=True, help="The registered model.")
@click.option(
    "--path", default="model", show_default=True, help="Where the model is in the run's artifacts."
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="KEY=VALUE",
    callback=read_tags,
    help="Tag of the new version; may be repeated.",
)
@click.option("--alias", help="Alias that is to point to the version.")
@click.option(
    "--registry",
    type=click.Choice(["store", "workspace"]),
    help="Whose registry.  [default: that of the store the run is in]",
)
@finding
def register(
    run: str,
    name: str,
    path: str,
    tags: dict[str, str],
    alias: str | None,
    registry: str | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Register the model of a run, and print the version.

    RUN is an MLflow run id, the name of a job, or `latest`. A model that was registered before
    under this name is not registered again.
    """
    with one_line_errors(as_json=as_json):
        from mlflow_azureml_backend import runs

        version = runs.register(
            run,
            name=name,
            path=path,
            tags=tags,
            alias=alias,
            registry=registry,
            workspace=workspace,
        )
    if as_json:
        click.echo(json.dumps(version.as_json()))
    else:
        click.echo(f"{version.name} version {version.version}: {version.link or version.uri}")
