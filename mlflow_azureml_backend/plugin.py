"""MLflow entry points, and the claim on the backend name `azureml`.

`azureml-mlflow` registers a project backend called `azureml` too, and MLflow takes the first entry
point it meets: which one that is depends on the order of a directory listing. MLflow asks its
static table `MLFLOW_BACKENDS` before any entry point, so the name is ours for certain once our
builder stands in that table. MLflow loads every `mlflow.run_context_provider` entry point at
`import mlflow`; ours puts the builder there, at the moment the module that holds the table has
been executed. A post-import hook of the standard library does it, since importing that module
earlier would be a circular import.

Nothing but the standard library is imported here: this module is on the path of every
`import mlflow`.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType, TracebackType

    from mlflow_azureml_backend.backend import AzureMLProjectBackend

BACKEND_NAMES = ("azureml", "azureml-v2")
_LOADER = "mlflow.projects.backend.loader"


def project_backend() -> AzureMLProjectBackend:
    """Build the backend; the target of the `mlflow.project_backend` entry points."""
    from mlflow_azureml_backend.backend import AzureMLProjectBackend

    return AzureMLProjectBackend()


class ClaimAzureMLName:
    """Register our backend in MLflow's static table; contribute no tags.

    Answers MLflow's RunContextProvider contract without importing it.
    """

    def __init__(self) -> None:
        loader = sys.modules.get(_LOADER)
        if loader is not None and hasattr(loader, "MLFLOW_BACKENDS"):
            _register(loader)
        elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
            sys.meta_path.insert(0, _AfterImport())
        _explain_unreadable_config(sys.argv)

    def in_context(self) -> bool:
        """Say that this provider never applies."""
        return False

    def tags(self) -> dict[str, str]:
        """Give no tags."""
        return {}


def _register(loader: ModuleType) -> None:
    for name in BACKEND_NAMES:
        loader.MLFLOW_BACKENDS[name] = project_backend


class _AfterImport(importlib.abc.MetaPathFinder):
    """Find MLflow's loader module as Python would, and register right after it was executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _LOADER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            exec_module = spec.loader.exec_module

            def exec_then_register(module: ModuleType) -> None:
                exec_module(module)
                _register(module)

            spec.loader.exec_module = exec_then_register  # type: ignore[method-assign]
        return spec


def _explain_unreadable_config(argv: Sequence[str]) -> None:
    """Replace the traceback of an unreadable backend config file with one line.

    `mlflow run` opens and parses the file before it calls a backend, and lets the exception out:
    for the user of our backend that is a traceback for a typing mistake.
    """
    config = _config_file_of_our_run(argv)
    if config is None:
        return
    print_traceback = sys.excepthook

    def explain(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(error, json.JSONDecodeError) and error.doc is not None:
            reason = f"is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        elif isinstance(error, UnicodeDecodeError):
            reason = "is not UTF-8 text"
        elif isinstance(error, OSError) and error.filename == config:
            reason = f"cannot be read: {error.strerror}"
        else:
            print_traceback(kind, error, trace)
            return
        sys.stderr.write(f"ERROR: backend config {config} {reason}.\n")

    sys.excepthook = explain


def _config_file_of_our_run(argv: Sequence[str]) -> str | None:
    """Find the `.json` file of a `mlflow run … --backend azureml` command line."""
    if not argv or PurePath(argv[0]).stem not in {"mlflow", "__main__"}:
        return None
    if "run" not in argv[1:3] or _option(argv, "--backend", "-b") not in BACKEND_NAMES:
        return None
    config = _option(argv, "--backend-config", "-c")
    return config if config is not None and config.endswith(".json") else None


def _option(argv: Sequence[str], *spellings: str) -> str | None:
    for position, argument in enumerate(argv):
        if argument in spellings and position + 1 < len(argv):
            return argv[position + 1]
        for spelling in spellings:
            if argument.startswith(f"{spelling}="):
                return argument.removeprefix(f"{spelling}=")
    return None
