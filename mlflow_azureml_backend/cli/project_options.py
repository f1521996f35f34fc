"""What `mlflow run` is told of a project, for the commands of ours that are told the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_Command = TypeVar("_Command", bound="Callable[..., Any]")

_OPTIONS = (
    click.argument("project"),
    click.option("-e", "--entry-point", default="main", show_default=True, help="Entry point."),
    click.option("-v", "--version", help="Git commit, branch or tag."),
    click.option(
        "-P", "--param-list", "values", multiple=True, metavar="NAME=VALUE", help="Parameter."
    ),
    click.option(
        "-A", "--docker-args", multiple=True, metavar="NAME=VALUE", help="As mlflow run's."
    ),
    click.option("-c", "--backend-config", help="A .json file, or JSON."),
    click.option("--env-manager", help="local: leave the project's own environment out."),
    click.option("--build-image", is_flag=True, help="Build the project's Dockerfile."),
    click.option(
        "--experiment-name",
        envvar="MLFLOW_EXPERIMENT_NAME",
        help="Default: MLFLOW_EXPERIMENT_NAME, or Default.",
    ),
    click.option("--run-name", help="Name shown in the studio."),
)


def project_options(command: _Command) -> _Command:
    """Give a command the project and the options by which `mlflow run` is told of it."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def pairs(given: tuple[str, ...], option: str, *, flags: bool = False) -> dict[str, Any]:
    """Read values of the form NAME=VALUE.

    Args:
        given: The values.
        option: The option's name, for messages.
        flags: NAME alone is taken, and is True.

    Raises:
        click.UsageError: A value has another form, or a name is given twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals and not flags:
            raise click.UsageError(f"{option}: {text!r} must be NAME=VALUE.")
        if name in found:
            raise click.UsageError(f"{option}: {name!r} is given twice.")
        found[name] = value if equals else True
    return found
