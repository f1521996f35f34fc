"""Check an MLproject file's structure before MLflow reads it.

MLflow reads the file without looking: a list where it wants a mapping ends in an AttributeError.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

_MAPPINGS = ("docker_env", "databricks_spark_job")
_TEXTS = ("conda_env", "python_env")
_KNOWN = ("name", "entry_points", "conda_env", "python_env", "docker_env")


def check_mlproject(root: Path) -> tuple[str, ...]:
    """Say what is wrong with the MLproject file of a folder, if it has one.

    Returns:
        A warning for each key that MLflow ignores without a word, such as `renv_env`.

    Raises:
        ProjectError: The file is not YAML or has another shape than an MLproject.
    """
    for path in root.iterdir():
        if path.name.lower() == "mlproject" and path.is_file():
            return tuple(map(_ignored, _check(path).keys() - set(_KNOWN)))
    return ()


def _ignored(key: object) -> str:
    near = difflib.get_close_matches(str(key), _KNOWN, n=1, cutoff=0.7)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"MLproject: the key '{key}' is unknown and ignored.{hint}"


def _check(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    _expect_mapping(content, path, "the file")
    for key in _MAPPINGS:
        if content.get(key) is not None:
            _expect_mapping(content[key], path, key)
    for key in _TEXTS:
        if not isinstance(content.get(key, ""), str | None):
            raise ProjectError(f"{path}: {key} must be text: the path of a file.")
    entries = content.get("entry_points", {})
    _expect_mapping(entries, path, "entry_points")
    for name, entry in entries.items():
        _expect_mapping(entry, path, f"entry_points.{name}")
        if not isinstance(entry.get("command"), str):
            raise ProjectError(f"{path}: entry_points.{name}.command must be text.")
        parameters = entry.get("parameters", {})
        _expect_mapping(parameters, path, f"entry_points.{name}.parameters")
        for parameter, value in parameters.items():
            if not isinstance(value, (str, dict)):
                raise ProjectError(
                    f"{path}: entry_points.{name}.parameters.{parameter} must be a type or "
                    "{type: …, default: …}."
                )
    return dict(content)


def _expect_mapping(value: Any, path: Path, where: str) -> None:
    if not isinstance(value, dict):
        raise ProjectError(f"{path}: {where} must be a mapping of key and value.")
