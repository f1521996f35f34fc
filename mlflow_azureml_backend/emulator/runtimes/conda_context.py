"""Build contexts that only make a conda environment, for the runtimes that build no images.

Such a context has a conda file and the packages that it names by their path. Its Dockerfile copies
them into an image and calls conda; a runtime that can build the conda file itself needs no image.
"""

from __future__ import annotations

import itertools
import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.runtimes.docker_images import folder_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec

_CONTINUED: Final = re.compile(r"\\[ \t]*\n")
_AND: Final = re.compile(r"\s*&&\s*")
# What says where the environment is and how it is found, and adds nothing to what is in it.
_WITHOUT_EFFECT: Final = frozenset({"FROM", "WORKDIR", "ENV", "LABEL", "USER"})


def with_conda_file(environment: EnvironmentSpec, folder: Path) -> EnvironmentSpec:
    """Give an environment whose build context only makes a conda environment as that conda file.

    Args:
        environment: what is asked for; given back as it is when it is anything else.
        folder: where the files of build contexts are kept, since editable packages stay there.

    Raises:
        BuildError: the build context cannot be read.
    """
    if environment.build is None or environment.bring_context is None:
        return environment
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        brought = Path(temporary, "context")
        brought.mkdir()
        environment.bring_context(brought)
        dockerfile = brought / (environment.build.get("dockerfilePath") or "Dockerfile")
        conda_file = _conda_file_of(dockerfile) if dockerfile.is_file() else None
        if conda_file is None or not (brought / conda_file).is_file():
            return environment
        kept = folder / folder_digest(brought)
        if not kept.exists():
            brought.rename(kept)
    return replace(
        environment,
        conda_file=(kept / conda_file).read_text(encoding="utf-8"),
        build=None,
        pip_folder=(kept / conda_file).parent,
    )


def _conda_file_of(dockerfile: Path) -> str | None:
    """Name the conda file of a Dockerfile that does nothing but make its environment."""
    found: str | None = None
    for instruction, rest in _instructions(dockerfile.read_text(encoding="utf-8")):
        if instruction in _WITHOUT_EFFECT or (instruction, rest) == ("COPY", ". ."):
            continue
        if instruction != "RUN" or found is not None:
            return None
        first, *others = (shlex.split(command) for command in _AND.split(rest))
        if first[:3] != ["conda", "env", "create"] or any(
            words[:2] != ["conda", "clean"] for words in others
        ):
            return None
        found = _file_option(first)
    return None if found is None else PurePosixPath(found).as_posix()


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in _CONTINUED.sub(" ", text).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction and not instruction.startswith("#"):
            yield instruction.upper(), rest.strip()


def _file_option(words: Sequence[str]) -> str | None:
    for option, value in itertools.pairwise(words):
        if option in {"-f", "--file"}:
            return value
    return None
