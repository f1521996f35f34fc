"""MLflow entry points, and the claim on the backend name `azureml`.

`azureml-mlflow` registers a project backend called `azureml` too, and MLflow takes the first entry
point it meets: which one that is depends on the order of a directory listing. MLflow asks its
static table `MLFLOW_BACKENDS` before any entry point, so the name is ours for certain once our
builder stands in that table. MLflow loads every `mlflow.run_context_provider` entry point at
`import mlflow`; ours sees to it that the builder is put there as soon as the module that holds the
table has been executed. An import hook does it, since importing that module earlier would be a
circular import.

Nothing but the standard library is imported here: this module is on the path of every
`import mlflow`.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType

    from mlflow_azureml_backend.backend import AzureMLProjectBackend

BACKEND_NAMES = ("azureml", "azureml-v2")
_LOADER = "mlflow.projects.backend.loader"
# How argv[0] reads while `mlflow` is imported: its script, conda's script for Windows, `python -m`.
_MLFLOW_COMMANDS = ("mlflow", "mlflow-script", "-m")


def project_backend() -> AzureMLProjectBackend:
    """Build the backend; the target of the `mlflow.project_backend` entry points."""
    from mlflow_azureml_backend.backend import AzureMLProjectBackend

    return AzureMLProjectBackend()


class ClaimAzureMLName:
    """Register our backend in MLflow's static table; contribute no tags.

    Answers MLflow's RunContextProvider contract without importing it.
    """

    def __init__(self) -> None:
        if _LOADER in sys.modules:
            _register(sys.modules[_LOADER])
        if not any(type(finder).__module__ == __name__ for finder in sys.meta_path):
            sys.meta_path.insert(0, _AfterImport())
        _explain_unreadable_config()

    def in_context(self) -> bool:
        """Say that this provider never applies."""
        return False

    def tags(self) -> dict[str, str]:
        """Give no tags."""
        return {}


def _register(loader: ModuleType) -> None:
    table = getattr(loader, "MLFLOW_BACKENDS", None)
    if isinstance(table, dict):  # else: an MLflow we do not know; the entry points still stand
        table.update(dict.fromkeys(BACKEND_NAMES, project_backend))


class _AfterImport:
    """Let the finders behind this one find MLflow's loader module, and register when it has run.

    It stays on `sys.meta_path`: whoever executes that module again (`importlib.reload`) makes a new
    table, and to take a finder off the list while another thread walks it hides a finder from it.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != _LOADER:
            return None
        from_here = itertools.dropwhile(lambda finder: finder is not self, list(sys.meta_path))
        for finder in itertools.islice(from_here, 1, None):
            find_spec = getattr(finder, "find_spec", None)  # before Python 3.12 it may lack one
            spec: ModuleSpec | None = find_spec(fullname, path, target) if find_spec else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _ThenRegister(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _ThenRegister:
    """A module's own loader, but for what follows the execution.

    It wraps that loader because the loader may be shared: a zip file has one for all its modules.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _register(module)


def _explain_unreadable_config() -> None:
    """Replace the traceback of an unreadable backend config with one line.

    `mlflow run` reads the config before it calls a backend, and lets the exception out: for the
    user of our backend that is a traceback for a typing mistake.
    """
    argv = getattr(sys, "argv", None) or [""]
    if PurePath(argv[0]).stem not in _MLFLOW_COMMANDS or "run" not in argv:
        return
    print_traceback = sys.excepthook

    def explain(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        config = _config_of_our_run(trace)
        reason = None if config is None else _why_unreadable(config)
        if reason is None:
            print_traceback(kind, error, trace)
        else:
            sys.stderr.write(f"ERROR: backend config {config} {reason}.\n")

    sys.excepthook = explain


def _config_of_our_run(trace: TracebackType | None) -> Any:
    """Find what `mlflow run --backend azureml` was given as config, if that is what raised."""
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "mlflow.cli":
            ours = frame.f_locals.get("backend") in BACKEND_NAMES
            return frame.f_locals.get("backend_config") if ours else None
        trace = trace.tb_next
    return None


def _why_unreadable(config: Any) -> str | None:
    """Read the config as MLflow did; None means that the config is not what went wrong."""
    import json

    if isinstance(config, str) and config.endswith(".json"):
        try:
            config = json.loads(Path(config).read_text(encoding="utf-8"))
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            return "is not UTF-8 text"
        except json.JSONDecodeError as error:
            return f"is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return None if isinstance(config, dict) else "is not a JSON object"
