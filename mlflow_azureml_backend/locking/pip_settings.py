"""Where pip gets packages from on this machine, in the words of uv, which does not read it."""

from __future__ import annotations

import ast
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.locking.programs import run

if TYPE_CHECKING:
    from collections.abc import Mapping

# `--extra-index-url` and `--find-links` of this machine are not among them: the machine that
# builds the job's environment has only what the environment file names.
_TAKEN = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}
_SECTIONS = ("global", "install", ":env:")  # the later ones go first
_FOREIGN = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")
_SECONDS = 60.0


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that uv is run with; what uv is told already stays as it is.

    Args:
        environ: The process's variables.
    """
    variables = {name: value for name, value in environ.items() if name not in _FOREIGN}
    for name, value in _pip_settings(environ).items():
        variables.setdefault(name, value)
    # pip takes the best version of all indexes; uv by default the first index that has any.
    variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return {**variables, "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    printed = run(
        command, folder=Path(tempfile.gettempdir()), environ=environ, seconds=_SECONDS
    ).stdout
    settings: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in printed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in settings and option in _TAKEN:
            settings[section][_TAKEN[option]] = str(ast.literal_eval(value))
    return {name: value for each in settings.values() for name, value in each.items()}
