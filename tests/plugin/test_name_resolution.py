"""Whose backend `azureml` is when azureml-mlflow, which registers that name too, is installed.

`pytest -m slow tests/plugin` builds two environments: the oldest MLflow and the newest that
azureml-mlflow allows. With `TEST_MATRIX=wide` in the environment it adds MLflow versions between
and beyond them, wheel and editable install in each, every way in for each, and real installs in
both orders (some twenty minutes on two cores).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conftest import Environment

WIDE = os.environ.get("TEST_MATRIX") == "wide"
OURS, THEIRS = "mlflow_azureml_backend", "azureml_mlflow"
BACKEND = "mlflow_azureml_backend.backend"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_WHOSE = """
from mlflow.projects.backend.loader import load_backend
print(*(type(load_backend(name)).__module__ for name in ("azureml", "azureml-v2")))
"""
_MAIN_WAYS = {
    "mlflow imported first": f"import mlflow{_WHOSE}",
    "the loader imported before anything else": _WHOSE,
    "importlib_metadata imported before mlflow": f"import importlib_metadata{_WHOSE}",
}
_OTHER_WAYS = {
    "our package imported before mlflow": f"import mlflow_azureml_backend.plugin{_WHOSE}",
    "our package imported after mlflow": f"import mlflow, mlflow_azureml_backend.plugin{_WHOSE}",
    "azureml-mlflow imported before mlflow": f"import azureml.mlflow{_WHOSE}",
    "mlflow and the loader executed twice": f"""
import importlib
import mlflow.projects.backend.loader
importlib.reload(mlflow)
importlib.reload(mlflow.projects.backend.loader)
{_WHOSE}""",
    "mlflow forgotten and imported again": f"""
import sys
import mlflow.projects.backend.loader
for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
    del sys.modules[name]
{_WHOSE}""",
}
_RUN = """
from mlflow.projects import run
try:
    run({project!r}, backend={backend!r}, backend_config={{"no_such_key": 1}})
except Exception as error:
    print(type(error).__module__, type(error).__name__)
"""


def test_our_backend_is_found_though_theirs_is_listed_first(
    environment: Environment, project: Path
) -> None:
    ways = {**_MAIN_WAYS, "run": _run(project, "azureml")}
    assert environment.ask_all(ways, ahead=THEIRS) == _all_ours(ways)


def test_every_other_way_in_finds_our_backend_too(
    one_environment: Environment, project: Path
) -> None:
    ways = {**_OTHER_WAYS, "run by the other name": _run(project, "azureml-v2")}
    assert one_environment.ask_all(ways, ahead=THEIRS) == _all_ours(ways)


def test_our_backend_is_found_when_it_is_listed_first(
    one_environment: Environment, project: Path
) -> None:
    ways = {"the loader imported before anything else": _WHOSE}
    if WIDE:
        ways = {**_MAIN_WAYS, "run": _run(project, "azureml")}
    assert one_environment.ask_all(ways, ahead=OURS) == _all_ours(ways)


def test_without_the_claim_the_one_listed_first_would_win(environment: Environment) -> None:
    without_the_claim = (
        f"import mlflow_azureml_backend.plugin as ours; ours.ClaimAzureMLName = object{_WHOSE}"
    )
    assert environment.ask(without_the_claim, ahead=OURS) == f"{BACKEND} {BACKEND}"
    assert "azureml.core" in environment.ask(without_the_claim, ahead=THEIRS)


def test_the_command_line_reaches_our_backend(environment: Environment, project: Path) -> None:
    names = ("azureml", "azureml-v2") if WIDE else ("azureml",)
    config = json.dumps({"no_such_key": 1})
    for name in names:
        command = (environment.mlflow, "run", project, "-b", name, "--backend-config", config)
        answer = environment.run(*command, ahead=THEIRS)
        assert answer.returncode == 1
        assert "Backend config: no_such_key: unknown key" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_spawned_process_finds_our_backend(one_environment: Environment) -> None:
    script = one_environment.work / "spawn.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "def child():\n"
        "    from mlflow.projects.backend.loader import load_backend\n"
        "    print(type(load_backend('azureml')).__module__)\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=child)\n"
        "    process.start()\n"
        "    process.join()\n"
        "    sys.exit(process.exitcode)\n"
    )
    answer = one_environment.run(one_environment.python, script, ahead=THEIRS)
    assert answer.stdout.strip() == BACKEND, answer.stderr


@pytest.mark.skipif(not WIDE, reason="TEST_MATRIX=wide installs in both orders")
def test_the_order_of_installation_does_not_matter(environment: Environment, project: Path) -> None:
    metadata = environment.metadata_of(THEIRS)
    version = metadata.name.removeprefix(f"{THEIRS}-").removesuffix(".dist-info")
    ways = {**_MAIN_WAYS, "run": _run(project, "azureml")}

    environment.uninstall("azureml-mlflow")
    environment.install("--no-deps", f"azureml-mlflow=={version}")
    assert environment.ask_all(ways) == _all_ours(ways)

    environment.uninstall("mlflow-azureml-backend")
    environment.install_ours()
    assert environment.ask_all(ways) == _all_ours(ways)


def _run(project: Path, backend: str) -> str:
    return _RUN.format(project=str(project), backend=backend)


def _all_ours(ways: Mapping[str, str]) -> dict[str, str]:
    loaded, refused = f"{BACKEND} {BACKEND}", "mlflow_azureml_backend.errors ConfigError"
    return {way: refused if way.startswith("run") else loaded for way in ways}
