"""Of MLflow's private names only those are used that the oldest supported release has."""

import ast
import importlib
from pathlib import Path

import pytest

import mlflow_azureml_backend.project

# What the room may import, checked against the sources of MLflow 2.9.2.
IN_MLFLOW_2_9 = {
    "mlflow.exceptions": {"MlflowException"},
    "mlflow.projects": {"env_type"},
    "mlflow.projects.backend": {"loader"},
    "mlflow.projects.utils": {
        "_fetch_git_repo",
        "_fetch_project",
        "_is_local_uri",
        "_parse_file_uri",
        "_parse_subdirectory",
        "load_project",
    },
}
FILES = sorted(Path(mlflow_azureml_backend.project.__file__).parent.glob("*.py"))


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_names_that_mlflow_2_9_has_are_imported(path):
    used = {(module, name) for module, name in imported_names(path) if module.startswith("mlflow.")}
    allowed = {(module, name) for module, names in IN_MLFLOW_2_9.items() for name in names}
    assert used <= allowed


@pytest.mark.parametrize("module", IN_MLFLOW_2_9)
def test_the_installed_mlflow_has_them_as_well(module):
    loaded = importlib.import_module(module)
    assert all(hasattr(loaded, name) for name in IN_MLFLOW_2_9[module])
