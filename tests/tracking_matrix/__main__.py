"""Run the matrix on an emulator and a server of its own, and write the page of the documentation.

Each cell is a real client in a process of its own, of a virtual environment with its MLflow, that
submits a job which logs the same params, metrics and files every time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.tracking_server import PASSWORD, USER, running

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "tracking-matrix.md"
HERE = Path(__file__).parent
STORES = ("sqlite", "file", "http with basic auth", "azureml")
ENDINGS = ("completed", "failed", "canceled", "killed")
VERSIONS = ("2.9.2", "2.22.4", "3.17.2")
_LOGGED = {"params": 3, "points": 401, "files": 2}
_STATUS = {"completed": "FINISHED", "failed": "FAILED", "canceled": "KILLED", "killed": "FINISHED"}
_PLUGIN = "azureml-mlflow==1.62.0.post6"
# Of MLflow 2.9 the dependencies have moved on since.
_OLD = ("setuptools<80", "sqlalchemy<2.1", "numpy<2", "pandas<3")
_PLUGIN_NEEDS = ("azure-common", "azure-identity", "jsonpickle", "msrest", "pytz", "setuptools<80")

HEAD = """# Tracking matrix

A client with each MLflow runs a job against each store; the job logs {params} params, {points}
metric points and {files} files. Each cell has the status of the user's run, and what is in it and
in the job's own run in the workspace (params / points / files); behind the server there is one run,
which both share, and nothing in the workspace. *Killed* is a client that is killed right after it
submitted: another process attaches, and completes the run. The jobs, the emulator and the server
are of MLflow {server}, so that older clients meet a newer server. `make tracking-matrix` runs it
anew; this is its result of {date}.

"""


@dataclass(frozen=True)
class Cell:
    """What came of one run."""

    mlflow: str
    store: str
    ending: str
    found: dict[str, Any] | None
    trouble: str

    @property
    def is_right(self) -> bool:
        if self.found is None:
            return False
        run, job = self.found["run"], self.found["job"]
        own = {key: run[key] for key in _LOGGED}
        same = self.found["shared"] or {key: job[key] for key in _LOGGED} == own
        return (
            run["status"] == job["status"] == _STATUS[self.ending]
            and own == _LOGGED
            and bool(same)
            and bool(self.found["linked"])
        )

    def text(self) -> str:
        if self.found is None:
            return f"**{self.trouble}**".replace("|", "\\|")
        run, job = self.found["run"], self.found["job"]
        sides = [" / ".join(str(side[key]) for key in _LOGGED) for side in (run, job)]
        shown = f"{run['status']} {sides[0]}" + ("" if self.found["shared"] else f" = {sides[1]}")
        return shown if self.is_right else f"**{shown}** (job {job['status']})"


def environment(version: str, folder: Path, source: Path) -> Path:
    """Make a virtual environment with one MLflow, azureml-mlflow and this package."""
    root = folder / f"mlflow-{version}"
    python = root / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(root)], check=True)
    wanted = [f"mlflow=={version}", f"mlflow-skinny=={version}"]
    wanted += _OLD if version.startswith("2.") else []
    subprocess.run([*install, *wanted, *_PLUGIN_NEEDS, str(source)], check=True)
    subprocess.run([*install, "--no-deps", _PLUGIN], check=True)
    return python


class Clients:
    """Starts clients of one virtual environment, one after another."""

    def __init__(self, python: Path, folder: Path, variables: dict[str, str]) -> None:
        self._folder, self._variables = folder, variables
        self._output = folder / "output.txt"
        self._process = subprocess.Popen(
            [str(python), str(HERE / "client.py")],
            cwd=folder,
            env={**_without_mlflow(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the process that they are forked from."""
        self._process.stdin.close()
        self._process.wait()

    def call(self, uri: str, *arguments: str) -> tuple[list[dict[str, Any]], str]:
        """Run one client to its end; give the objects that it printed, and the rest."""
        self._output.write_text("")
        variables = {**_without_mlflow(), **self._variables, "MLFLOW_TRACKING_URI": uri}
        if not uri.startswith("http"):
            del variables["MLFLOW_TRACKING_USERNAME"], variables["MLFLOW_TRACKING_PASSWORD"]
        client = {
            "arguments": arguments,
            "folder": str(self._folder),
            "output": str(self._output),
            "variables": variables,
        }
        self._process.stdin.write(json.dumps(client) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()
        lines = self._output.read_text(errors="replace").splitlines()
        objects = [json.loads(line) for line in lines if line.startswith('{"')]
        return objects, "\n".join(line for line in lines if not line.startswith('{"'))

    def run(self, version: str, store: str, ending: str, *, uri: str) -> Cell:
        """Run one cell."""
        config: dict[str, object] = {"workspace": "emulator", "stream": False}
        if uri.startswith("http"):
            secret = {"value": "${env:MLFLOW_TRACKING_PASSWORD}", "secret": True}
            known = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": secret}
            config |= {"tracking": "shared", "environment_variables": known}
        project = str(HERE / "project")
        printed, told = self.call(uri, "submit", project, json.dumps(config), ending)
        if ending == "killed" and len(printed) == 1:
            printed, told = self.call(uri, "attach", printed[0]["run_id"])
        found = printed[-1] if printed and "run" in printed[-1] else None
        trouble = "" if found else next(iter(reversed(told.split("\n"))), "?")[:160]
        return Cell(version, store, ending, found, trouble)


def _without_mlflow() -> dict[str, str]:
    foreign = ("MLFLOW", "AZURE", "PYTHON", "_MLFLOW")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def table(cells: list[Cell]) -> str:
    """Write the cells as a table in Markdown: a row each store and MLflow, a column each ending."""
    by_place = {(cell.store, cell.mlflow, cell.ending): cell for cell in cells}
    rows = dict.fromkeys((cell.store, cell.mlflow) for cell in cells)
    endings = dict.fromkeys(cell.ending for cell in cells)
    lines = [
        "| Store | MLflow | " + " | ".join(endings) + " |",
        "|---" * (len(endings) + 2) + "|",
    ]
    for store, version in rows:
        texts = [by_place[store, version, ending].text() for ending in endings]
        lines.append(f"| {store} | {version} | " + " | ".join(texts) + " |")
    right = sum(cell.is_right for cell in cells)
    return "\n".join(lines) + f"\n\n{right} of {len(cells)} cells are as they should be.\n"


def main() -> None:
    """Run the chosen cells one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", nargs="*", default=VERSIONS)
    parser.add_argument("--store", nargs="*", default=STORES)
    parser.add_argument("--ending", nargs="*", default=ENDINGS)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    chosen = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow_azureml_backend.emulator import lifecycle

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = folder / "emulator"
        os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = str(root)
        endpoint = lifecycle.start(root, runtime="host", dwell_seconds=0, idle_seconds=3600)
        stack.callback(lifecycle.stop, root)
        (folder / "server").mkdir()
        server = stack.enter_context(running(folder / "server"))
        server.wants_basic()
        variables = {
            **lifecycle.environment(endpoint),
            "MLFLOW_AZUREML_EMULATOR_ROOT": str(root),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
        from mlflow_azureml_backend.job import EMULATOR

        own = f"azureml://eastus.api.azureml.ms/mlflow/v1.0{EMULATOR.arm_id}"
        source = _source(folder / "source")
        cells = []
        for version in chosen.mlflow:
            python = environment(version, folder, source)
            place = Path(tempfile.mkdtemp(dir=folder))
            clients = stack.enter_context(closing(Clients(python, place, variables)))
            for store in chosen.store:
                uri = {
                    "sqlite": f"sqlite:///{folder}/{version}.db",
                    "file": (folder / f"{version}-{uuid.uuid4().hex}").as_uri(),
                    "azureml": own,
                }.get(store, server.uri)
                for ending in chosen.ending:
                    cell = clients.run(version, store, ending, uri=uri)
                    cells.append(cell)
                    print(f"{version:<7} {store:<21} {ending:<10} {cell.text()}", flush=True)
            if chosen.write:  # what there is stays, should a later environment not be had
                write(cells, list(chosen.store))
    print(table(cells))


def write(cells: list[Cell], stores: list[str]) -> None:
    """Write the page of the documentation."""
    import mlflow

    date = datetime.now(timezone.utc).date().isoformat()
    head = HEAD.format(date=date, server=mlflow.__version__, **_LOGGED)
    ordered = sorted(cells, key=lambda cell: stores.index(cell.store))
    PAGE.write_text(head + table(ordered), encoding="utf-8")


def _source(target: Path) -> Path:
    shutil.copytree(
        REPOSITORY / "mlflow_azureml_backend",
        target / "mlflow_azureml_backend",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, target)
    return target


if __name__ == "__main__":
    main()
