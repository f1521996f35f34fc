"""Conda files read as what a plain Python environment needs: a Python, requirements, and notes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlflow_azureml_backend.emulator.runtimes.conda_names import pip_name
from mlflow_azureml_backend.emulator.runtimes.match_spec import parse_match_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUE_OPTIONS: Final = {
    "-i": "--index-url",
    "-f": "--find-links",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
}
_FLAGS: Final = frozenset({"--no-index", "--pre"})
_FILE_OPTIONS: Final = frozenset({"-r", "--requirement", "-c", "--constraint", "-e", "--editable"})


class CondaFileError(Exception):
    """Say why a conda file cannot be used; the message is for its author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaFile:
    """Hold what a conda file asks for, in the terms of pip.

    Args:
        python: the versions of Python it accepts, as in PEP 440; None when it names none.
        requirements: what to install, as in requirements files.
        options: pip's options for all of it, one word each.
        notes: what cannot be had as it was asked for, for people.
    """

    python: str | None = None
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_conda_file(text: str) -> CondaFile:
    """Read a conda environment file, `name` and `prefix` aside.

    Args:
        text: the file, as YAML or as the JSON that Azure ML keeps.

    Raises:
        CondaFileError: it is no conda file, or asks for something that would fail in Azure ML too.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CondaFileError(f"The conda file is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise CondaFileError("The conda file has to be a mapping with the key 'dependencies'.")
    dependencies = document.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise CondaFileError("The conda file's 'dependencies' have to be a list.")
    reading = _Reading()
    if channels := document.get("channels"):
        reading.notes.append(
            f"The channels {channels} are not used: packages come from the Python package index."
        )
    for dependency in dependencies:
        reading.take(dependency)
    return reading.result()


@dataclass(slots=True)
class _Reading:
    """Gather what the dependencies of one file come to."""

    python: str | None = None
    conda: dict[str, str] = field(default_factory=dict)
    pip: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, dependency: Any) -> None:
        if isinstance(dependency, str):
            self._take_conda(dependency)
        elif isinstance(dependency, dict) and isinstance(dependency.get("pip"), list):
            for line in dependency["pip"]:
                self._take_pip(str(line))
        else:
            raise CondaFileError(
                f"The conda file's dependency {dependency!r} is neither a package nor a list of "
                "pip requirements."
            )

    def result(self) -> CondaFile:
        for line in self.pip:
            # pip runs after conda and replaces what conda installed in another version.
            name = _pinned_name(line)
            replaced = self.conda.pop(name, None) if name else None
            if replaced is not None and replaced != line:
                self.notes.append(f"'{replaced}' gives way to '{line}' of the pip section.")
        return CondaFile(
            python=self.python,
            requirements=(*self.conda.values(), *self.pip),
            options=tuple(self.options),
            notes=tuple(self.notes),
        )

    def _take_conda(self, text: str) -> None:
        spec = parse_match_spec(text)
        if spec is None:
            raise CondaFileError(f"The conda file's dependency '{text}' is not a match spec.")
        if spec.note:
            self.notes.append(f"'{text}': {spec.note}")
        if spec.name == "python":
            self.python = spec.specifier or self.python
            return
        name = pip_name(spec.name)
        if name is None:
            self.notes.append(
                f"'{text}' is left out: it is a conda package that the Python package index does "
                "not have."
            )
            return
        self.conda[canonicalize_name(name)] = name + spec.specifier

    def _take_pip(self, line: str) -> None:
        line = line.split(" #", 1)[0].strip()
        if not line or line.startswith("#"):
            return
        if not line.startswith("-"):
            self.pip.append(line)
            return
        try:
            words = shlex.split(line)
        except ValueError:
            raise CondaFileError(f"The pip option '{line}' has unbalanced quotes.") from None
        if "=" in words[0]:
            words[:1] = words[0].split("=", 1)
        self._take_option(words, line)

    def _take_option(self, words: Sequence[str], line: str) -> None:
        option, *values = words
        if option in _VALUE_OPTIONS and len(values) == 1:
            self.options += [_VALUE_OPTIONS[option], values[0]]
        elif option in _FLAGS and not values:
            self.options.append(option)
        elif option in _FILE_OPTIONS:
            raise CondaFileError(
                f"The pip line '{line}' names a file, and Azure ML builds an environment from its "
                "conda file alone. Write the requirements themselves into the conda file."
            )
        else:
            self.notes.append(f"The pip option '{line}' is not used.")


def _pinned_name(line: str) -> str | None:
    try:
        requirement = Requirement(line.split(" --", 1)[0])
    except InvalidRequirement:
        return None
    if not requirement.specifier and requirement.url is None:
        return None
    return canonicalize_name(requirement.name)
