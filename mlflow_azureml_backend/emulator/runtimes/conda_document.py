"""Conda files as they are written: channels, packages, requirements for pip, and variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


class CondaFileError(Exception):
    """Say why a conda file cannot be used; the message is for its author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaDocument:
    """Hold a conda file, `name` and `prefix` aside.

    Args:
        channels: where packages come from, in the order of their priority.
        packages: the conda packages, as match specs.
        pip: the lines of the pip section.
        variables: what is set in the environment.
    """

    channels: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def read_conda_document(text: str) -> CondaDocument:
    """Read a conda environment file.

    Args:
        text: the file, as YAML or as the JSON that Azure ML keeps.

    Raises:
        CondaFileError: it is no conda file.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CondaFileError(f"The conda file is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise CondaFileError("The conda file has to be a mapping with the key 'dependencies'.")
    packages: list[str] = []
    pip: list[str] = []
    for dependency in _list(document, "dependencies"):
        if isinstance(dependency, str):
            packages.append(dependency)
        elif isinstance(dependency, dict) and isinstance(dependency.get("pip"), list):
            pip += [str(line) for line in dependency["pip"]]
        else:
            raise CondaFileError(
                f"The conda file's dependency {dependency!r} is neither a package nor a list of "
                "pip requirements."
            )
    variables = document.get("variables") or {}
    if not isinstance(variables, dict):
        raise CondaFileError("The conda file's 'variables' have to be a mapping.")
    return CondaDocument(
        channels=tuple(str(channel) for channel in _list(document, "channels")),
        packages=tuple(packages),
        pip=tuple(pip),
        variables={str(name): str(value) for name, value in variables.items()},
    )


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key) or []
    if not isinstance(value, list):
        raise CondaFileError(f"The conda file's '{key}' have to be a list.")
    return value
