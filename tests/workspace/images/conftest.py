"""What the tests of images share: a user of the engine, and projects to build."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.job import BuildSpec, EnvironmentSpec, LocalImageSpec, WorkspaceRef
from mlflow_azureml_backend.workspace.images import prepare_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.image_registry import Registry

REF = WorkspaceRef(subscription_id="s", resource_group="r", workspace_name="w")


@dataclass(frozen=True)
class Connection:
    """The little that images need of a connection, without a service behind it."""

    ref: WorkspaceRef = REF
    workspace_facts: Mapping[str, Any] = field(default_factory=dict)

    def once(self, _question: tuple[str, ...], ask: Callable[[], Any]) -> Any:
        return ask()


class Machine:
    """A user's machine: an engine, a registry, a project."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self.registry = registry

    def write(self, dockerfile: str, **files: str) -> None:
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            (self.folder / name).write_text(text)

    def repository(self, name: str) -> str:
        return f"{self.registry.address}/{name}"

    def build(self, repository: str, *, auth: Any = "user", **local: Any) -> str:
        """Build the project and bring its image into a repository; gives the job's image."""
        environment = EnvironmentSpec(
            build=BuildSpec(folder=self.folder, dockerfile="Dockerfile"),
            local=LocalImageSpec(repository=repository, **local),
            origin="Dockerfile",
        )
        return str(self._prepared(environment, auth).image)

    def take(self, name: str, *, auth: Any = "user", ref: WorkspaceRef = REF, **local: Any) -> Any:
        """Have a docker_env's image ready; gives what the job gets."""
        local = LocalImageSpec(name=name, **local)
        environment = EnvironmentSpec(image=name, local=local, origin="docker_env")
        return self._prepared(environment, auth, ref)

    def _prepared(self, environment: EnvironmentSpec, auth: Any, ref: WorkspaceRef = REF) -> Any:
        auth = self.registry.docker_auth if auth == "user" else auth
        return prepare_image(Connection(ref), environment, docker_auth=auth, shown=True)


@pytest.fixture
def machine(
    docker_host: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """Give a machine whose user has no configuration of Docker."""
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    (tmp_path / "project").mkdir()
    registry.asked()
    return Machine(tmp_path / "project", registry)


@pytest.fixture(params=["classic", "buildkit"])
def builder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Build with one builder and with the other, whichever this machine would take."""
    folders = os.environ["PATH"].split(os.pathsep)
    if request.param == "classic":
        program = tmp_path / "docker-without-buildkit" / "docker"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([str(program.parent), *folders]))
        return "classic"
    for folder in folders:
        program = shutil.which("docker", path=folder)
        if program and _has_buildkit(program):
            monkeypatch.setenv("PATH", os.pathsep.join([folder, *folders]))
            return "buildkit"
    pytest.skip("No docker program of this machine has BuildKit.")


def _has_buildkit(program: str) -> bool:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    plugin = subprocess.run([program, "buildx", "version"], capture_output=True, check=False)
    return plugin.returncode == 0 or "version 20." in told.stdout
