"""Look at the programs and packages that only some runs need."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from typing import TYPE_CHECKING

from mlflow_azureml_backend.diagnosis.finding import Finding, State
from mlflow_azureml_backend.project.backend_choice import chosen_backend, offered_backends

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOLVERS = ("conda", "mamba", "micromamba")
_PROGRAM_SECONDS = 8
_BACKEND = "azureml"
_OURS = "mlflow-azureml-backend"


def check_backend() -> Iterator[Finding]:
    """Look which package `mlflow run --backend azureml` would use."""
    chosen = chosen_backend(_BACKEND)
    others = [name for name in offered_backends(_BACKEND) if name != _OURS]
    beside = f"; {', '.join(others)} has one too" if others else ""
    if chosen is not None and chosen.startswith("mlflow_azureml_backend"):
        yield Finding(name="backend azureml", found=f"this package's{beside}")
        return
    yield Finding(
        name="backend azureml",
        state=State.FAILURE,
        found=f"{chosen or 'none'}, not this package's{beside}",
        fix=f"pip install --force-reinstall --no-deps {_OURS}, or use --backend azureml-v2.",
    )


def check_store() -> Iterator[Finding]:
    """Look whether the tracking store answers."""
    from mlflow_azureml_backend.tracking.search import current_store, experiment_count, store_exists

    uri = current_store()
    if uri.startswith("azureml:") and importlib.util.find_spec("azureml") is None:
        yield Finding(
            name="tracking store",
            state=State.FAILURE,
            found=f"{uri} needs azureml-mlflow, which is not installed",
            fix="pip install azureml-mlflow",
        )
    elif not store_exists(uri):
        yield Finding(name="tracking store", found=f"{uri}, made with the first run")
    else:
        experiment_count()
        yield Finding(name="tracking store", found=f"{uri} answers")


def check_docker() -> Iterator[Finding]:
    """Look for a Docker daemon, which the emulator's docker runtime and image builds here need."""
    if shutil.which("docker") is None:
        yield Finding(
            name="docker",
            found="not installed; only the emulator's docker runtime and builds here need it",
        )
        return
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROGRAM_SECONDS, check=False
        )
        reason = answer.stderr.strip().splitlines()[-1:] or ["it says nothing"]
    except (OSError, subprocess.TimeoutExpired) as error:
        answer, reason = None, [str(error)]
    if answer is not None and answer.returncode == 0:
        yield Finding(name="docker", found=f"daemon {answer.stdout.strip()}")
        return
    yield Finding(
        name="docker",
        state=State.WARNING,
        found=f"the daemon does not answer: {reason[0]}",
        fix="Start it, or let your user into the group `docker`, if a run needs Docker.",
    )


def check_conda() -> Iterator[Finding]:
    """Look for what solves conda environments, which locking and the conda runtime need."""
    solvers = [name for name in _SOLVERS if shutil.which(name)]
    modules = [
        package
        for package, module in (("conda-lock", "conda_lock"), ("py-rattler", "rattler"))
        if importlib.util.find_spec(module) is not None
    ]
    found = ", ".join([*solvers, *modules])
    yield Finding(
        name="conda tools",
        found=found or "none; only locking and the emulator's conda runtime need one",
    )


def check_emulator(*, is_wanted: bool) -> Iterator[Finding]:
    """Look whether the emulator could run, and whether it does.

    Args:
        is_wanted: Whether the workspace is in it.
    """
    from mlflow_azureml_backend import __version__
    from mlflow_azureml_backend.emulator.administration import running
    from mlflow_azureml_backend.emulator.requirements import what_is_missing

    missing, endpoint = what_is_missing(), running()
    if missing:
        yield Finding(
            name="emulator",
            state=State.FAILURE if is_wanted else State.OK,
            found="its packages are not installed",
            fix="pip install 'mlflow-azureml-backend[emulator]'" if is_wanted else None,
        )
    elif endpoint is None:
        yield Finding(name="emulator", found="not running; it starts with the first run in it")
    elif endpoint.version != __version__:
        yield Finding(
            name="emulator",
            state=State.WARNING,
            found=f"{endpoint.address} is of version {endpoint.version}, this is {__version__}",
            fix="mlflow-azureml emulator stop; it starts again with the next run",
        )
    else:
        yield Finding(name="emulator", found=f"runs at {endpoint.address}")
