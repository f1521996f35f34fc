"""`mlflow-azureml schema`, `version`, `completion`."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import click

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.cli.options import json_option

_PROGRAM = "mlflow-azureml"
_SHELLS = ("bash", "zsh", "fish")
_PACKAGES = ("mlflow", "mlflow-skinny", "azure-ai-ml", "azureml-mlflow")


@click.command(epilog="Example: mlflow-azureml schema > backend-config.schema.json")
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of the backend config, for editors and checks.

    It is JSON with or without --json; with it, in one line.
    """
    from mlflow_azureml_backend.config.json_schema import backend_config_schema

    click.echo(json.dumps(backend_config_schema(), indent=None if as_json else 2))


@click.command(epilog="Example: mlflow-azureml version --json")
@json_option
def version(as_json: bool) -> None:
    """Print the versions of this package and of what it works with."""
    found: dict[str, str | None] = {"mlflow-azureml-backend": __version__}
    found |= {name: _version_of(name) for name in _PACKAGES}
    found["python"] = platform.python_version()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, number in found.items():
        click.echo(f"{name:<24}{number or 'not installed'}")


@click.command(epilog='Example: eval "$(mlflow-azureml completion bash)"')
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the shell code that completes commands, options and runs.

    For every new shell: add the example's line to ~/.bashrc or ~/.zshrc; for fish, write the
    output to ~/.config/fish/completions/mlflow-azureml.fish.
    """
    from click.shell_completion import get_completion_class

    context = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover  # click has all three
        raise click.ClickException(f"click cannot complete in {shell}.")
    click.echo(kind(context.command, {}, _PROGRAM, "_MLFLOW_AZUREML_COMPLETE").source())


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
