"""Conda files read as what a plain Python environment needs: a Python, requirements, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlflow_azureml_backend.emulator.runtimes.conda_document import (
    CondaFileError,
    read_conda_document,
)
from mlflow_azureml_backend.emulator.runtimes.conda_names import pip_name
from mlflow_azureml_backend.emulator.runtimes.match_spec import parse_match_spec
from mlflow_azureml_backend.emulator.runtimes.pip_section import PipSection, read_pip_section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CondaFile", "CondaFileError", "read_conda_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaFile:
    """Hold what a conda file asks for, in the terms of pip.

    Args:
        python: the versions of Python it accepts, as in PEP 440; None when it names none.
        requirements: what to install, as in requirements files.
        options: pip's options for all of it, one word each.
        variables: what is set in the environment.
        notes: what cannot be had as it was asked for, for people.
    """

    python: str | None = None
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_conda_file(text: str, pip_folder: Path | None = None) -> CondaFile:
    """Read a conda environment file, `name` and `prefix` aside.

    Args:
        text: the file, as YAML or as the JSON that Azure ML keeps.
        pip_folder: what the paths in its pip section are relative to; None where it may name none.

    Raises:
        CondaFileError: it is no conda file, or asks for something that would fail in Azure ML too.
    """
    document = read_conda_document(text)
    reading = _Reading()
    if document.channels:
        reading.notes.append(
            f"The channels {list(document.channels)} are not used: packages come from the Python "
            "package index."
        )
    for package in document.packages:
        reading.take(package)
    section = read_pip_section(document.pip, pip_folder)
    reading.notes += section.notes
    return replace(reading.result(section), variables=document.variables)


@dataclass(slots=True)
class _Reading:
    """Gather what the dependencies of one file come to."""

    python: str | None = None
    conda: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, text: str) -> None:
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

    def result(self, section: PipSection) -> CondaFile:
        for line in section.requirements:
            # pip runs after conda and replaces what conda installed in another version.
            name = _pinned_name(line)
            replaced = self.conda.pop(name, None) if name else None
            if replaced is not None and replaced != line:
                self.notes.append(f"'{replaced}' gives way to '{line}' of the pip section.")
        return CondaFile(
            python=self.python,
            requirements=(*self.conda.values(), *section.requirements),
            options=section.options,
            notes=tuple(self.notes),
        )


def _pinned_name(line: str) -> str | None:
    try:
        requirement = Requirement(line.split(" --", 1)[0])
    except InvalidRequirement:
        return None
    if not requirement.specifier and requirement.url is None:
        return None
    return canonicalize_name(requirement.name)
