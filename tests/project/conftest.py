"""Projects to read: the cases of tests/projects, files written on the spot, and git."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_azureml_backend.project.loader import read_project

PROJECTS = Path(__file__).parent.parent / "projects"


@pytest.fixture(autouse=True)
def git_of_its_own(monkeypatch, tmp_path_factory):
    """Git knows an author, asks nothing and reads nobody's configuration."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CEILING_DIRECTORIES": str(tmp_path_factory.getbasetemp()),
        **{
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A"), ("EMAIL", "a@example.com"))
        },
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def git():
    """Run git in a folder and give its output."""

    def run(folder, *arguments):
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def write(tmp_path):
    """Write a project from a mapping of file name and text."""

    def write(files, folder="project"):
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return write


@pytest.fixture
def case(tmp_path):
    """Copy a case of tests/projects to a folder of its own."""

    def copy(name):
        return Path(shutil.copytree(PROJECTS / name, tmp_path / name))

    return copy


@pytest.fixture
def read():
    """Read a project with the arguments that most tests do not care for."""

    def read(uri, *, version=None, entry_point="main", parameters=None, environ=None):
        return read_project(
            str(uri),
            version=version,
            entry_point=entry_point,
            parameters=parameters,
            environ=environ or {},
        )

    return read
