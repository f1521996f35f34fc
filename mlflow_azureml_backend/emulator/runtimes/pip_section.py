"""The pip section of a conda file, read as the lines of a requirements file."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.runtimes.conda_document import CondaFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def read_pip_section(lines: Iterable[str]) -> PipSection:
    """Tell requirements from options.

    Args:
        lines: the lines of the section.

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
            requirements.append(line)
            continue
        known = _option(_words(line), line)
        options += known
        if not known:
            notes.append(f"The pip option '{line}' is not used.")
    return PipSection(requirements=tuple(requirements), options=tuple(options), notes=tuple(notes))


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
