"""What `import mlflow` and `mlflow --help` load because this package is installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Environment, Environments

OURS = {"mlflow_azureml_backend", "mlflow_azureml_backend.plugin"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_LIST_MODULES_AT_EXIT = """
import atexit, os, sys
atexit.register(lambda: open(os.environ["LOADED_MODULES"], "w").write("\\n".join(sys.modules)))
"""


def test_import_mlflow_loads_our_plugin_and_the_standard_library_only(
    one_environment: Environment, environments: Environments
) -> None:
    before = environments.without_us(one_environment)
    loaded_before = _loaded_by(before, before.python, "-c", "import mlflow")
    loaded = _loaded_by(one_environment, one_environment.python, "-c", "import mlflow")
    assert "mlflow.tracking" in loaded_before
    assert _third_party(loaded - loaded_before) == OURS


def test_mlflow_help_loads_our_plugin_and_the_standard_library_only(
    environment: Environment, environments: Environments
) -> None:
    before = environments.without_us(environment)
    loaded_before = _loaded_by(before, before.mlflow, "--help")
    loaded = _loaded_by(environment, environment.mlflow, "--help")
    assert "mlflow.cli" in loaded_before
    assert _third_party(loaded - loaded_before) == OURS


def _loaded_by(environment: Environment, *command: str | Path) -> set[str]:
    watch = environment.work / "watch"
    watch.mkdir(exist_ok=True)
    (watch / "sitecustomize.py").write_text(_LIST_MODULES_AT_EXIT)
    report = watch / "modules.txt"
    answer = environment.run(*command, PYTHONPATH=str(watch), LOADED_MODULES=str(report))
    assert answer.returncode == 0, answer.stderr
    return set(report.read_text().split())


def _third_party(names: set[str]) -> set[str]:
    # An editable install has a path hook of its own, which the interpreter's start imports.
    return {
        name
        for name in names
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("__editable__")
    }
