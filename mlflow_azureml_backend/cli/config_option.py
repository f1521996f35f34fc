"""The backend config that a command is given, as `mlflow run` takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


def config_from(given: str | None) -> dict[str, Any]:
    """Read what `mlflow run --backend-config` reads: a `.json` file, or JSON.

    Args:
        given: The option's value; None for an empty config.

    Raises:
        click.ClickException: It cannot be read, or is no JSON object.
    """
    if given is None:
        return {}
    try:
        text = Path(given).read_text(encoding="utf-8-sig") if given.endswith(".json") else given
        content = json.loads(text)
    except OSError as error:
        raise click.ClickException(f"--backend-config: {given}: {error.strerror}.") from error
    except ValueError as error:
        raise click.ClickException(
            f"The backend config is no JSON object; it is not JSON at all: {error}. Give a .json "
            "file or a JSON object."
        ) from error
    if not isinstance(content, dict):
        raise click.ClickException(
            "The backend config must be an object of key and value, as a .json file or as JSON."
        )
    return content
