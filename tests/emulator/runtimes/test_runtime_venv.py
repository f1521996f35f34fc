"""The runtime `venv`, where its environments are more than Python packages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from mlflow_azureml_backend.emulator.runtimes import BuildError, EnvironmentSpec
from mlflow_azureml_backend.emulator.runtimes.venv import VenvRuntime

if TYPE_CHECKING:
    from pathlib import Path


def test_the_variables_of_the_conda_file_are_set_in_the_environment(tmp_path: Path) -> None:
    conda_file = "dependencies: [python]\nvariables: {MINE: a b, NUMBER: 1}"
    spec = EnvironmentSpec(name="e", version="1", conda_file=conda_file, image="base")

    interpreter = VenvRuntime(tmp_path / "environments").prepare(spec, io.StringIO())

    prefix = str(interpreter.bin.parent)
    assert interpreter.variables == {"VIRTUAL_ENV": prefix, "MINE": "a b", "NUMBER": "1"}


def test_an_image_alone_is_refused_with_the_runtimes_that_can_run_it(tmp_path: Path) -> None:
    log = io.StringIO()
    spec = EnvironmentSpec(name="e", version="1", image="base")

    with pytest.raises(BuildError) as error:
        VenvRuntime(tmp_path / "environments").prepare(spec, log)

    assert "or 'docker', which does run containers." in error.value.explanation
    assert error.value.explanation in log.getvalue()
