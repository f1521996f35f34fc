"""What `mlflow run` says when MLflow cannot read the backend config, before any backend is asked.

MLflow logs a line of its own where the file was opened but could not be parsed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from conftest import Environment

pytestmark = pytest.mark.timeout(1800)

_NO_FILE = "Permission denied" if os.name == "nt" else "Is a directory"
_REASONS = {
    "absent.json": "cannot be read: No such file or directory",
    "directory.json": f"cannot be read: {_NO_FILE}",
    "latin.json": "is not UTF-8 text",
    "list.json": "is not a JSON object",
}


@pytest.fixture
def configs(project: Path) -> Path:
    (project / "directory.json").mkdir()
    (project / "latin.json").write_bytes('{"compute": "gerät"}'.encode("latin-1"))
    (project / "list.json").write_text('["cpu-cluster"]')
    (project / "cut.json").write_text('{"compute": ')
    (project / "good.json").write_text('{"compute": "cpu-cluster"}')
    return project


@pytest.mark.slow
def test_a_config_that_is_not_json_is_explained_in_one_line(
    environment: Environment, project: Path, configs: Path
) -> None:
    config = configs / "cut.json"
    answer = environment.run(environment.mlflow, "run", project, "-b", "azureml", "-c", config)
    reason = "is not valid JSON: Expecting value at line 1, column 13"
    assert _said(answer) == (1, [f"ERROR: backend config {config} {reason}."])


@pytest.mark.campaign
def test_every_other_unreadable_config_is_explained_in_one_line_too(
    one_environment: Environment, project: Path, configs: Path
) -> None:
    run = (one_environment.mlflow, "run", project, "--backend=azureml", "-c")
    answers = one_environment.run_all({name: (*run, configs / name) for name in _REASONS})
    assert {name: _said(answer) for name, answer in answers.items()} == {
        name: (1, [f"ERROR: backend config {configs / name} {reason}."])
        for name, reason in _REASONS.items()
    }


@pytest.mark.campaign
def test_the_explanation_does_not_depend_on_how_mlflow_is_called(
    one_environment: Environment, project: Path
) -> None:
    config = project / "absent.json"
    absent = f"ERROR: backend config {config} {_REASONS['absent.json']}."
    run = ("run", project, "-b", "azureml-v2")
    mlflow, python = one_environment.mlflow, one_environment.python
    ways: dict[str, tuple[Sequence[str | Path], str]] = {
        "as a module": ((python, "-m", "mlflow", *run, f"--backend-config={config}"), absent),
        "options first": ((mlflow, "run", "-c", config, "-bazureml", project), absent),
        "inline": ((mlflow, *run, "-c", "[1]"), "ERROR: backend config [1] is not a JSON object."),
    }
    answers = one_environment.run_all({way: command for way, (command, _) in ways.items()})
    assert {way: _said(answer) for way, answer in answers.items()} == {
        way: (1, [line]) for way, (_, line) in ways.items()
    }


@pytest.mark.campaign
def test_the_traceback_of_anything_else_stays(
    one_environment: Environment, project: Path, configs: Path
) -> None:
    mlflow, run = one_environment.mlflow, ("run", project, "-b")
    commands: dict[str, Sequence[str | Path]] = {
        "another error of our run": (mlflow, *run, "azureml", "-c", configs / "good.json"),
        "a config of another backend": (mlflow, *run, "local", "-c", configs / "cut.json"),
        "an error of another command": (mlflow, "runs", "describe", "--run-id", "run"),
    }
    # No store answers to this address, which MLflow finds out after it has read the config.
    nowhere = {"MLFLOW_TRACKING_URI": "nowhere://", "MLFLOW_EXPERIMENT_NAME": "any"}
    for name, answer in one_environment.run_all(commands, **nowhere).items():
        assert answer.returncode == 1, name
        assert "Traceback (most recent call last)" in answer.stderr, name
        assert "backend config" not in answer.stderr, name


def _said(answer: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    lines = answer.stderr.splitlines()
    return answer.returncode, [line for line in lines if " ERROR mlflow.projects: " not in line]
