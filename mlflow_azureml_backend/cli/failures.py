"""What goes wrong, told on stderr without a traceback, with the right exit code."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from mlflow_azureml_backend.cli.exit_codes import FAILED, INTERRUPTED, LOST_CONTACT

if TYPE_CHECKING:
    from collections.abc import Iterator


class Program(click.Group):
    """The whole command line: Ctrl-C ends it with 130, as shells have it, and not with 1."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)


@contextlib.contextmanager
def one_line_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn the errors of this package and of MLflow into one message and an exit code.

    Args:
        as_json: Write it as one line of JSON: `{"error": {"type": …, "message": …}}`.
    """
    from mlflow.exceptions import MlflowException

    from mlflow_azureml_backend.errors import FollowError, UnavailableError

    try:
        yield
    except (FollowError, UnavailableError) as error:
        _tell(error, as_json=as_json)
        sys.exit(LOST_CONTACT)
    except MlflowException as error:
        _tell(error, as_json=as_json)
        sys.exit(FAILED)


def _tell(error: Exception, *, as_json: bool) -> None:
    message = str(error).strip()
    if as_json:
        document = {"error": {"type": type(error).__name__, "message": message}}
        click.echo(json.dumps(document), err=True)
    else:
        click.echo(f"Error: {message}", err=True)
