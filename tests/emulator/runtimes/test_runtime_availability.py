"""What a runtime needs is looked for when an emulator starts, not when its first job runs."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.emulator import __main__ as program
from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.runtimes import runtime_named
from mlflow_azureml_backend.emulator.runtimes.availability import (
    RUNTIMES,
    RuntimeUnavailableError,
    require_available,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"unix://{tmp_path}/none.sock"
    monkeypatch.setenv("DOCKER_HOST", address)
    return address


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "docker"])
def test_a_runtime_knows_its_own_name(name: str, tmp_path: Path) -> None:
    runtime = runtime_named(name, tmp_path / "environments")

    assert runtime.name == name
    runtime.close()


def test_an_unknown_runtime_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailableError) as error:
        runtime_named("podman", tmp_path)

    assert str(error.value) == (
        "There is no runtime 'podman'; there are venv, conda, docker, host."
    )


@pytest.mark.parametrize(
    ("name", "module", "package", "extras"),
    [
        ("conda", "rattler", "py-rattler", "emulator,conda"),
        ("docker", "docker", "docker", "emulator,docker"),
        ("venv", "uv", "uv", "emulator"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    name: str, module: str, package: str, extras: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(RuntimeUnavailableError) as error:
        require_available(name)

    assert str(error.value) == (
        f"The runtime '{name}' needs the package {package}, which is not installed: "
        f"pip install 'mlflow-azureml-backend[{extras}]'"
    )


def test_an_emulator_for_containers_does_not_start_without_an_engine(
    tmp_path: Path, no_engine: str
) -> None:
    with pytest.raises(lifecycle.EmulatorError) as error:
        lifecycle.start(tmp_path / "root", runtime="docker")

    assert str(error.value).startswith(
        f"The runtime 'docker' finds no Docker Engine at {no_engine}: "
    )
    assert str(error.value).endswith(
        "Start Docker, let DOCKER_HOST say where it is, or choose another runtime."
    )


def test_the_command_line_says_so_in_one_message(
    tmp_path: Path, no_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(tmp_path / "root"))

    result = CliRunner().invoke(main, ["emulator", "start", "--runtime", "docker"])

    assert result.exit_code == 1
    assert f"finds no Docker Engine at {no_engine}" in result.output
    assert "Traceback" not in result.output


def test_an_emulator_in_the_foreground_says_so_too(
    tmp_path: Path, no_engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        code = program.main(["--root", str(tmp_path / "root"), "--runtime", "docker"])

    assert code == 1
    assert f"cannot start: The runtime 'docker' finds no Docker Engine at {no_engine}" in (
        caplog.text
    )
