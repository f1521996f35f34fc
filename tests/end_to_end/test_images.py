"""An image that cannot be made leaves nothing behind: no run, no job, no build that goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.image_registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MLPROJECT = "name: built\nentry_points: {main: {command: 'true'}}\n"


@pytest.fixture
def built_here(
    config: dict[str, Any],
    docker_host: str,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], list[str]]:
    """Give the arguments of a run of a project with a Dockerfile."""
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    registry.sign_in(tmp_path / "docker")
    config["image"] = {"repository": f"{registry.address}/built/project", "build": True}

    def write(dockerfile: str) -> list[str]:
        project = tmp_path / "project"
        project.mkdir()
        (project / "MLproject").write_text(MLPROJECT)
        (project / "Dockerfile").write_text(dockerfile)
        return [str(project), "--backend-config", json.dumps(config)]

    return write


def test_a_build_that_fails_is_one_message_and_no_run(
    mlflow_run, built_here, base_image, runs, jobs
):
    result = mlflow_run(*built_here(f"FROM {base_image}\nRUN echo no such package; exit 1\n"))

    assert result.exit_code == 1
    assert "The Docker build failed at step" in result.stderr
    assert "    no such package" in result.stderr
    assert "Traceback" not in result.stderr
    assert runs() == []
    assert jobs() == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT goes to a process group there")
def test_ctrl_c_ends_the_build_on_the_engine_and_leaves_no_run(
    built_here, base_image, docker_host, client, runs
):
    import docker

    engine = docker.DockerClient(docker_host)
    arguments = built_here(f"FROM {base_image}\nRUN echo waiting; sleep 1000\n")
    command = [sys.executable, "-m", "mlflow", "run", "--backend", "azureml", *arguments]
    with subprocess.Popen(
        [*command, "--experiment-name", "sample"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stderr is not None
        told = [""]
        while not re.search(r"[\d ]waiting$", told[-1]):
            told.append(process.stderr.readline())
            assert told[-1], told
        ended = engine.events(decode=True, filters={"event": "die", "type": "container"})
        process.send_signal(signal.SIGINT)
        event = next(ended)
        _, errors = process.communicate(timeout=60)

    assert event["Action"] == "die"
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert [c for c in engine.containers.list() if "sleep" in c.attrs["Args"]] == []
    engine.close()
    assert runs() == []
