"""`mlflow-azureml lock`: exact packages for a project's environment."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from mlflow_azureml_backend.cli.config_option import config_from
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import json_option


@click.command(epilog="Example: mlflow-azureml lock sample_project")
@click.argument("project", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--backend-config",
    "-c",
    "config_text",
    metavar="FILE",
    help="The runs' backend config, a .json file or JSON text; default: none.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail when the lock does not fit.")
@json_option
def lock(project: Path, config_text: str | None, check: bool, as_json: bool) -> None:
    """Lock the environment of PROJECT, a folder, with the newest packages that it allows.

    Needs no workspace. Runs with `"lock": true` then use exactly these packages.
    """
    with one_line_errors(as_json=as_json):
        _lock(project.resolve(), config_from(config_text), check=check, as_json=as_json)


def _lock(root: Path, raw: dict[str, Any], *, check: bool, as_json: bool) -> None:
    from mlflow_azureml_backend.config import read_backend_config
    from mlflow_azureml_backend.config.schema import LockConfig
    from mlflow_azureml_backend.locking.environment_lock import check_lock, update_lock
    from mlflow_azureml_backend.plan import client_versions
    from mlflow_azureml_backend.project.config_files import read_config_files
    from mlflow_azureml_backend.project.loader import read_project_environment
    from mlflow_azureml_backend.translate.environment import plan_environment
    from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

    config = read_config_files(read_backend_config(raw)[0], root)
    spec = plan_environment(
        read_project_environment(root),
        config,
        versions=client_versions(),
        releases=packaged_releases(),
        root=root,
    ).spec
    wanted = config.lock or LockConfig()
    if check:
        file = check_lock(spec, wanted, root)
        click.echo(json.dumps({"file": str(file), "fits": True}) if as_json else f"{file} fits.")
        return
    update = update_lock(spec, wanted, root)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(update), default=str))
        return
    if update.changes is not None:
        click.echo("\n".join(update.changes) or "Nothing has changed.")
    click.echo(f"Written: {update.file} ({update.packages} packages, solved with {update.solver})")
