"""An environment that installs packages of the project itself: they go along to where it is built.

A conda file alone travels as text. One that names paths (`-e .`, `./wheels/x.whl`) becomes a Docker
build context with the conda file and all that it names, at the same places relative to each other.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.job import BuildSpec
from mlflow_azureml_backend.translate.conda_spec import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# As the reader of the project spells a path: always from the project's folder on.
_LOCAL = re.compile(
    r"(?:--?[a-z-]+ )?(?P<path>\.(?:/.+?)?)(?:\[[^\]]*\])?(?:\s*;.*|\s+--hash.*)?",
)

_DOCKERFILE = ".azureml-environment.Dockerfile"
_CONDA_FILE = ".azureml-environment.yml"  # conda wants that ending, and JSON is YAML

# As Azure ML's own builds from a conda file leave it: its folder, and the path to its programs.
_INSTRUCTIONS = f"""\
FROM {{image}}
WORKDIR /azureml-project
COPY . .
RUN conda env create --quiet --prefix /azureml-envs/project --file {_CONDA_FILE} \\
 && conda clean --all --quiet --yes
ENV PATH=/azureml-envs/project/bin:$PATH \\
    LD_LIBRARY_PATH=/azureml-envs/project/lib:$LD_LIBRARY_PATH \\
    CONDA_DEFAULT_ENV=/azureml-envs/project \\
    AZUREML_CONDA_ENVIRONMENT_PATH=/azureml-envs/project
WORKDIR /
"""


def local_paths(lines: Iterable[str]) -> tuple[str, ...]:
    """Give the paths below the project that requirement lines name, sorted; `.` is all of it.

    Args:
        lines: pip's requirement lines, with paths spelled from the project on.
    """
    found = (_LOCAL.fullmatch(line) for line in lines)
    return tuple(sorted({match["path"].removeprefix("./") for match in found if match}))


def build_with_local_packages(
    image: str, conda_file: Mapping[str, Any], paths: tuple[str, ...], *, root: Path
) -> BuildSpec:
    """Give the build context of an environment that installs packages of the project.

    Args:
        image: The image that it is built on; it has to have conda.
        conda_file: The conda file's content.
        paths: The paths that it names, below the project.
        root: The project's folder.
    """
    return BuildSpec(
        folder=root,
        paths=paths,
        dockerfile=_DOCKERFILE,
        files={
            _DOCKERFILE: _INSTRUCTIONS.format(image=image),
            _CONDA_FILE: json.dumps(in_order(conda_file), indent=1),
        },
    )
