"""Run one small project with each MLflow and each Python, and keep what came of it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT = Path(__file__).parent / "project"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "injection-matrix.md"
VERSIONS = ("2.9.2", "2.14.3", "2.15.1", "2.22.4", "3.1.4", "3.5.1", "3.10.1", "3.15.0", "3.17.2")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Result:
    """What came of one run.

    Args:
        mlflow: the MLflow that the project pins.
        python: the Python that it pins.
        plugin: the azureml-mlflow that joined it; empty when there was no job.
        status: `FINISHED`, or why not.
        seconds: from the submission to the end, with the build of the environment.
    """

    mlflow: str
    python: str
    plugin: str
    status: str
    seconds: float


def run(version: str, python: str, backend_config: dict[str, object]) -> Result:
    """Run the project once, in the MLflow store and the workspace that are set."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(PROJECT, Path(temporary) / "project"))
        (folder / "python_env.yaml").write_text(_environment(version, python))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                submitted = mlflow.projects.run(
                    str(folder), backend="azureml", backend_config=backend_config
                )
                status = submitted.get_status()
            except mlflow.exceptions.ExecutionException as error:
                status = _reason(f"{printed.getvalue()}\n{error}")
    if status == "FINISHED" and f"mlflow {version} logged everything" not in printed.getvalue():
        status = "another MLflow ran"
    return Result(version, python, _plugin(version, python), status, time.monotonic() - started)


def table(results: Iterable[Result]) -> str:
    """Write results as a table in Markdown: a row each MLflow, a column each Python."""
    by_cell = {(result.mlflow, result.python): result for result in results}
    versions = dict.fromkeys(version for version, _ in by_cell)
    pythons = dict.fromkeys(python for _, python in by_cell)
    lines = [
        "| MLflow | azureml-mlflow | " + " | ".join(f"Python {each}" for each in pythons) + " |",
        "|---" * (len(pythons) + 2) + "|",
    ]
    for version in versions:
        row = [by_cell[version, python] for python in pythons if (version, python) in by_cell]
        cells = [
            "works" if result.status == "FINISHED" else result.status.replace("|", "\\|")
            for result in row
        ]
        lines.append(f"| {version} | {row[0].plugin} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _environment(version: str, python: str) -> str:
    # MLflow before 2.16 imports pkg_resources, which newer setuptools no longer have; MLflow 2
    # takes any SQLAlchemy, and fails with 2.1.
    document = {
        "python": python,
        "build_dependencies": ["pip", "setuptools<80"],
        "dependencies": [f"mlflow=={version}", "pandas", "sqlalchemy<2.1"],
    }
    return json.dumps(document)  # JSON is YAML


def _plugin(version: str, python: str) -> str:
    from mlflow_azureml_backend.translate.injection import plan_injection
    from mlflow_azureml_backend.translate.plugin_releases import packaged_releases

    injection = plan_injection(
        [f"python=={python}.*", f"mlflow=={version}"],
        client_mlflow=mlflow.__version__,
        releases=packaged_releases(),
    )
    if injection.at_start is not None:
        return f"{injection.at_start.version} at start"
    return injection.requirements[-1].partition("==")[2]


def _reason(text: str) -> str:
    """Give the line that says most of a failed build or job."""
    for pattern in (
        r"Because (.*?)(?:, we can conclude|\.\n|\n\n)",
        r"(?m)^\s*(\w*(?:Error|Exception): .*)$",
        r"(?m)^.*(Image build failed.*)$",
    ):
        if found := re.findall(pattern, text, re.DOTALL if "Because" in pattern else 0):
            return " ".join(found[-1].split())[:160]
    return " ".join(text.strip().splitlines()[-1].split())[:160]
