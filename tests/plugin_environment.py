"""An environment with the real azureml-mlflow, unmodified, for programs that log to a workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = (
    pytest.param("azureml-mlflow==1.62.0.post6", marks=pytest.mark.slow),
    pytest.param("azureml-mlflow==1.61.0.post1", marks=pytest.mark.campaign),
)
PACKAGES = ("pandas", "pillow", "scikit-learn", "skops")


@pytest.fixture(scope="session", params=PLUGINS)
def plugin_python(request: pytest.FixtureRequest) -> Path:
    """Build an environment with the plugin; pytest's cache keeps it for the next time."""
    plugin, packages = request.param, (request.param, *PACKAGES)
    uv = pytest.importorskip("uv", reason="uv builds the environment of azureml-mlflow")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(request.config.cache.mkdir(f"{plugin.replace('==', '-')}-py{version}"))
    python = folder / "environment" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    built = folder / "built"
    if not built.exists() or built.read_text() != str(packages):
        for command in (
            ["venv", "--quiet", "--clear", "--python", sys.executable, python.parents[1]],
            ["pip", "install", "--quiet", "--python", python, *packages],
        ):
            done = subprocess.run(
                [uv.find_uv_bin(), *command], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"{plugin} cannot be installed: {done.stderr.strip()[-300:]}")
        built.write_text(str(packages))
    return python


def run_in_it(python: Path, program: Path, **variables: str) -> str:
    """Run a program in the environment, and give the last line that it printed."""
    environment = {"HOME": os.environ.get("HOME", ""), "PATH": os.environ["PATH"]}
    environment |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("AZURE", "HTTPS_", "https_", "NO_", "no_", "SSL_CERT_"))
        or "_CA_" in name
    }
    done = subprocess.run(
        [python, program],
        cwd=program.parent,
        env={**environment, **variables, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "unable to load cloud metadata" not in done.stderr
    return done.stdout.splitlines()[-1]
