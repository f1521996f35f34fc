"""`mlflow-azureml migrate`: a backend config of azureml-mlflow in today's words."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlflow_azureml_backend.cli.options import json_option


@click.command(epilog="Example: mlflow-azureml migrate backend_config.json")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; default: CONFIG itself, whose old text is kept beside it.",
)
@json_option
def migrate(config: Path, output: Path | None, as_json: bool) -> None:
    """Write a backend config of azureml-mlflow's own backend in today's words.

    With --json it is printed, and nothing is written.
    """
    from mlflow_azureml_backend.config.legacy import modernized
    from mlflow_azureml_backend.config.reader import read_backend_config
    from mlflow_azureml_backend.errors import ConfigError

    try:
        old = config.read_text(encoding="utf-8-sig")
        raw = json.loads(old)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{config} is no JSON file: {error}.") from error
    if not isinstance(raw, dict):
        raise click.ClickException(f"{config} does not hold a JSON object.")
    try:
        new, lines = modernized(raw)
        read_backend_config(new)
    except ConfigError as error:
        raise click.ClickException(f"{config}: {error}") from error
    if as_json:
        click.echo(json.dumps({"config": new, "changes": list(lines)}, ensure_ascii=False))
        return
    for line in lines:
        click.echo(line, err=True)
    if not lines and output is None:
        click.echo(f"{config} is in today's words already.", err=True)
        return
    target = output or config
    kept = config.with_suffix(f".legacy{config.suffix}")
    try:
        if output is None:
            kept.write_text(old, encoding="utf-8")
            click.echo(f"Kept: {kept}", err=True)
        target.write_text(f"{json.dumps(new, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}.") from error
    click.echo(f"Written: {target}", err=True)
