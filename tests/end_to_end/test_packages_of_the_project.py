"""Packages of the project itself are installed in the job's environment."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGE = """\
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.5"
dependencies = ["six==1.16.0"]
[tool.setuptools]
py-modules = ["{name}"]
"""
FILES = {
    "MLproject": "conda_env: env/conda.yaml\nentry_points: {main: {command: 'python run/main.py'}}",
    "env/conda.yaml": "dependencies: [python, {pip: [-e .., ../libs/a tool, -c only.txt]}]",
    "env/only.txt": "six==1.16.0\n",
    "pyproject.toml": PACKAGE.format(name="own"),
    "own.py": "NAME = 'my own'",
    "libs/a tool/pyproject.toml": PACKAGE.format(name="tool"),
    "libs/a tool/tool.py": "NAME = 'a tool'",
    "run/main.py": "import own, tool, six\nprint(own.NAME, '|', tool.NAME, '|', six.__version__)",
}


def test_a_job_has_them_without_a_container(mlflow_run, config, tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    result = mlflow_run(
        str(tmp_path / "project"),
        "--backend-config",
        json.dumps({**config, "inject": "never"}),
    )

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == ["my own | a tool | 1.16.0"]
