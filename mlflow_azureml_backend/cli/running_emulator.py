"""The running emulator, for commands that ask it something and do not start one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.endpoint import Endpoint


def running_or_none() -> Endpoint | None:
    """Give the endpoint of this user's running emulator, or None."""
    from mlflow_azureml_backend.emulator.administration import running

    return running()


def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Ask a route of the running emulator's administration.

    Args:
        method: the HTTP method.
        path: the path and query.
        body: what to send as JSON; None sends nothing.

    Raises:
        click.ClickException: none runs, or it refuses; with its own words.
    """
    from mlflow_azureml_backend.emulator.administration import EmulatorError, request

    endpoint = running_or_none()
    if endpoint is None:
        raise click.ClickException(
            "The emulator is not running. Start it with: mlflow-azureml emulator start"
        )
    try:
        return request(endpoint, method, path, body=body)
    except EmulatorError as error:
        raise click.ClickException(str(error)) from error
