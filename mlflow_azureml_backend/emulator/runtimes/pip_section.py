"""The pip section of a conda file, read as the lines of a requirements file."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.runtimes.conda_document import CondaFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSection:
    """Hold what pip is to do.

    Args:
        requirements: what to install, as in requirements files.
        options: pip's options for all of it, one word each.
        notes: what cannot be had as it was asked for, for people.
    """

    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_pip_section(lines: Iterable[str], folder: Path | None = None) -> PipSection:
    """Tell requirements from options.

    Args:
        lines: the lines of the section.
        folder: what the paths in them are relative to; None where they may name none.

    Raises:
        CondaFileError: a line asks for something that would fail in Azure ML too.
    """
    requirements: list[str] = []
    options: list[str] = []
    notes: list[str] = []
    for written in lines:
        line = written.split(" #", 1)[0].strip()
        if not line or line.startswith("#"):
            continue
        if not line.startswith("-"):
            requirements.append(_absolute(line, folder))
            continue
        words = _words(line)
        if words[0] in _FILE_OPTIONS and folder is not None:
            requirements.append(f"{words[0]} {_absolute(' '.join(words[1:]), folder)}")
            continue
        known = [_absolute(word, folder) for word in _option(words, line)]
        options += known
        if not known:
            notes.append(f"The pip option '{line}' is not used.")
    return PipSection(requirements=tuple(requirements), options=tuple(options), notes=tuple(notes))


def _absolute(path: str, folder: Path | None) -> str:
    if folder is None or not path.startswith("."):
        return path
    return os.path.normpath(folder / path)


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        raise CondaFileError(f"The pip option '{line}' has unbalanced quotes.") from None
    if "=" in words[0]:
        words[:1] = words[0].split("=", 1)
    return words


def _option(words: Sequence[str], line: str) -> list[str]:
    option, *values = words
    if option in _VALUE_OPTIONS and len(values) == 1:
        return [_VALUE_OPTIONS[option], values[0]]
    if option in _FLAGS and not values:
        return [option]
    if option in _FILE_OPTIONS:
        raise CondaFileError(
            f"The pip line '{line}' names a file, and Azure ML builds an environment from its "
            "conda file alone. Write the requirements themselves into the conda file."
        )
    return []
