"""Find the data of this machine that a run reads, before anything is created."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.data_schema import InputConfig
from mlflow_azureml_backend.data_uri import Place, local_path, place_of
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project.data_files import list_data_files
from mlflow_azureml_backend.project.snapshot_files import is_in_snapshot
from mlflow_azureml_backend.project.spec import LocalData
from mlflow_azureml_backend.sizes import shown_size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.project.spec import EntryPoint

# A file of each, without which a folder is none.
_CONTENTS = {"mltable": "MLTable", "mlflow_model": "MLmodel"}


def find_local_data(
    entry_point: EntryPoint,
    values: Mapping[str, str],
    config: BackendConfig,
    *,
    root: Path,
    working_directory: Path,
    bound: Collection[str] = (),
) -> dict[str, LocalData]:
    """Find each file and folder that a parameter or an input names.

    A relative path that the user typed is one of the working directory, as MLflow takes it, and
    else of the project; one that the MLproject or the config says is first one of the project. A
    `path` parameter's data that the project's snapshot holds stays there.

    Args:
        entry_point: Its parameters of type `path`, and of `input`, which the config makes.
        values: The user's values.
        config: Its inputs, and how much may be uploaded.
        root: The project's folder.
        working_directory: The user's.
        bound: What a step of a pipeline gets from elsewhere.

    Returns:
        What was found, by the name of the parameter or input.

    Raises:
        ProjectError: Something does not exist, is not of its type or is too large.
    """
    found: dict[str, LocalData] = {}
    for name, text, typed, explicit in _named(entry_point, values, config):
        if name in bound or place_of(text) is not Place.LOCAL:
            continue
        bases = (working_directory, root) if typed else (root, working_directory)
        path = _find(name, text, bases)
        given = config.inputs.get(name)
        kind = given.type if isinstance(given, InputConfig) else None
        if not explicit and path.is_relative_to(root):
            exclude = config.snapshot.exclude
            if is_in_snapshot(path, root, exclude=exclude):
                inside = path.relative_to(root).as_posix()
                found[name] = LocalData(path=path, type=_type(path), in_snapshot=inside)
                continue
        _check_size(name, path, config.max_input_size)
        found[name] = LocalData(path=path, type=checked_type(name, path, kind))
    return found


def _named(
    entry_point: EntryPoint, values: Mapping[str, str], config: BackendConfig
) -> Iterator[tuple[str, str, bool, bool]]:
    """Give name and text of what may be local, whether it was typed, whether it is an input."""
    declared = {parameter.name: parameter for parameter in entry_point.parameters}
    for name, parameter in declared.items():
        if parameter.type in {"path", "input"}:
            text = values.get(name, parameter.default or "")
            yield name, text, name in values, parameter.type == "input"
    for name, given in config.inputs.items():
        if name in declared or not isinstance(given, InputConfig):
            continue
        text = values.get(name, given.path or "")
        if text:
            yield name, text, name in values, True


def _find(name: str, text: str, bases: tuple[Path, ...]) -> Path:
    if not text:
        raise ProjectError(f"'{name}' names data and has no value: give a path or a URI.")
    try:
        for base in bases:
            path = Path(os.path.normpath(base / local_path(text)))
            if path.exists():
                return path
    except (OSError, ValueError, RuntimeError) as error:
        raise ProjectError(f"'{name}' names no file or folder, got {text!r}: {error}.") from error
    looked = (
        ""
        if local_path(text).is_absolute()
        else f" Looked in {' and in '.join(str(base) for base in dict.fromkeys(bases))}."
    )
    raise ProjectError(f"'{name}' names data that does not exist: {text!r}.{looked}")


def _check_size(name: str, path: Path, limit: int) -> None:
    try:
        size = sum(file.path.stat().st_size for file in list_data_files(path))
    except OSError as error:
        raise ProjectError(
            f"'{name}': {error.filename} cannot be read: {error.strerror}."
        ) from error
    if size > limit:
        raise ProjectError(
            f"'{name}': {path} has {shown_size(size)}, and {shown_size(limit)} are uploaded at "
            "most. Put it into a datastore and give its azureml:// URI, or raise `max_input_size` "
            "in the backend config."
        )


def _type(path: Path) -> str:
    return "uri_folder" if path.is_dir() else "uri_file"


def checked_type(name: str, path: Path, kind: str | None) -> str:
    """Give the type of an input that is on this machine.

    Args:
        name: The input's.
        path: Where it is.
        kind: What the config says, or None.

    Raises:
        ProjectError: It is of another type.
    """
    if kind is None:
        return _type(path)
    if kind in {"uri_file", "uri_folder"} and kind != _type(path):
        raise ProjectError(f"'{name}': inputs says {kind}, but {path} is a {_type(path)}.")
    content = _CONTENTS.get(kind)
    if content is not None and not (path / content).is_file():
        raise ProjectError(f"'{name}': inputs says {kind}, but {path} has no file {content}.")
    return kind
