"""The conda packages of a lock: conda-lock, over whichever solver this machine has."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.explanation import shortened
from mlflow_azureml_backend.locking.lock_file import Package, packages_of
from mlflow_azureml_backend.locking.programs import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.locking.request import LockRequest

# The fastest one first. An activated shell has conda as a function, and its path in a variable.
_PROGRAMS = ("micromamba", "mamba", "conda")
_VARIABLES = ("MAMBA_EXE", "CONDA_EXE")
_OWN_COMMAND = "mlflow_azureml_backend.locking.rattler_command"

_REASON = re.compile(
    r"^Could not lock the environment for platform (?P<platform>\S+)\n"
    r"(?P<reason>.*?)^    Command: ",
    re.MULTILINE | re.DOTALL,
)
_CRASH = re.compile(r"^    STDERR:\n(?P<reason>.*?)(?:^Traceback |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSolver:
    """Name the program that solves.

    Args:
        name: For the user's eyes.
        program: Its path, or None for rattler, which comes with an extra of this package.
    """

    name: str
    program: str | None


def find_solver(environ: Mapping[str, str]) -> CondaSolver:
    """Choose what solves: micromamba, mamba or conda if there is one, else rattler.

    Nothing is asked, run or downloaded to find it.

    Args:
        environ: The process's variables.

    Raises:
        LockError: conda-lock is not installed, or there is no solver.
    """
    if importlib.util.find_spec("conda_lock") is None:
        raise LockError(
            "`lock` needs conda-lock, which is not installed here: "
            "pip install 'mlflow-azureml-backend[lock]'."
        )
    for name in _PROGRAMS:
        found = shutil.which(name, path=environ.get("PATH"))
        if found:
            return CondaSolver(name=name, program=found)
    for variable in _VARIABLES:
        path = environ.get(variable, "")
        if path and os.access(path, os.X_OK):
            return CondaSolver(name=Path(path).stem, program=path)
    if importlib.util.find_spec("rattler") is None:
        raise LockError(
            "`lock` needs a conda solver, and there is no micromamba, mamba or conda on the PATH. "
            "Install one, or the solver that comes with this package: "
            "pip install 'mlflow-azureml-backend[lock]'."
        )
    return CondaSolver(name="rattler", program=None)


def solve_conda(
    request: LockRequest, solver: CondaSolver, environ: Mapping[str, str]
) -> tuple[Package, ...]:
    """Find conda packages that go together, for every platform that is asked for.

    Args:
        request: What is asked for.
        solver: What solves.
        environ: The process's variables.

    Raises:
        LockError: There are no such packages, or the channels cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="mlflow-azureml-lock-") as name:
        folder = Path(name)
        source, target, names = folder / "environment.yml", folder / "lock.yml", folder / "n.json"
        wanted = {"channels": list(request.channels), "dependencies": list(request.packages)}
        source.write_text(yaml.safe_dump(wanted, allow_unicode=True), encoding="utf-8")
        # The table of PyPI names, which it would download, is for pip packages; uv does those.
        names.write_text("{}", encoding="utf-8")
        command = [
            *(sys.executable, "-m", "conda_lock", "lock"),
            *("--conda", solver.program or _own_program(folder)),
            *("--file", str(source), "--lockfile", str(target), "--kind", "lock"),
            *("--pypi_to_conda_lookup_file", str(names)),
            # Azure ML builds images on machines with no GPU, where conda would not find it either.
            "--without-cuda",
        ]
        for platform in request.platforms:
            command += ["--platform", platform]
        ended = run(command, folder=folder, environ=_environment(environ))
        if ended.returncode or not target.exists():
            raise LockError(_explained(ended.stdout, ended.stderr, request, solver))
        return packages_of(yaml.load(target.read_bytes(), _Loader))  # noqa: S506  # a safe loader


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    # The program of our own is found wherever this package is, installed or not.
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, environ.get("PYTHONPATH", "")]))
    return {**environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "ignore"}


def _own_program(folder: Path) -> str:
    """Write the program that conda-lock runs as `conda`."""
    if os.name == "nt":
        script = folder / "conda.bat"
        script.write_text(f'@"{sys.executable}" -m {_OWN_COMMAND} %*\n', encoding="utf-8")
        return str(script)
    import shlex

    script = folder / "conda"
    script.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {_OWN_COMMAND} "$@"\n', encoding="utf-8"
    )
    script.chmod(0o700)
    return str(script)


def _explained(stdout: str, stderr: str, request: LockRequest, solver: CondaSolver) -> str:
    """Take the solver's own explanation out of all that conda-lock prints around it."""
    match = _REASON.search(stderr)
    if match:
        where, reason = match["platform"], _plain(match["reason"])
    else:
        where, reason = " and ".join(request.platforms), ""
    if not reason and (crash := _CRASH.search(stderr)):
        reason = crash["reason"].strip()
    if not reason:
        lines = [line for line in f"{stdout}\n{stderr}".splitlines() if line.strip()]
        reason = lines[-1] if lines else "it says nothing"
    return (
        f"the conda packages cannot be locked for {where} (channels "
        f"{', '.join(request.as_document()['channels'])}; solved with {solver.name}):\n"
        f"{shortened(reason)}\n"
        "Change the pins in the project's environment, or the channels."
    )


def _plain(reason: str) -> str:
    """Read what mamba says as JSON; conda and rattler say it as text."""
    text = reason.strip()
    for read in (json.loads, ast.literal_eval):
        try:
            answer = read(text)
        except (ValueError, SyntaxError):
            continue
        if isinstance(answer, dict):
            told = answer.get("solver_problems") or answer.get("error") or answer.get("message")
            return "\n".join(map(str, told)) if isinstance(told, list) else str(told or text)
    return text
