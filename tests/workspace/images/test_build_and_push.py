"""Images are built and pushed with a real engine, to a real registry, and only where needed."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.job import EMULATOR
from tests.docker_engine import private_engine
from tests.image_registry import PASSWORD, USER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker_engine import Engine
    from tests.image_registry import Registry
    from tests.workspace.images.conftest import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CACHED = {"classic": " ---> Using cache", "buildkit": "CACHED"}


def test_a_dockerfile_is_built_and_pushed_once_and_anew_when_it_changes(
    machine: Machine, builder: str, base_image: str, capfd: pytest.CaptureFixture[str]
) -> None:
    repository = machine.repository(f"built-by-{builder}/project")
    machine.write(f"FROM {base_image}\nCOPY greeting /greeting\nRUN cat /greeting\n", greeting="hi")
    first = machine.build(repository)
    told = capfd.readouterr().err

    assert re.fullmatch(rf"{re.escape(repository)}@sha256:[0-9a-f]{{64}}", first)
    assert "RUN cat /greeting" in told
    assert "hi" in told
    assert CACHED[builder] not in told
    assert machine.registry.pushed()

    assert machine.build(repository) == first
    told = capfd.readouterr().err
    assert told.count(CACHED[builder]) == 2
    assert f"{first} is in the registry already" in told
    assert machine.registry.pushed() == []

    machine.write(f"FROM {base_image}\nCOPY greeting /hello\n")
    second = machine.build(repository)
    assert second != first
    assert machine.registry.pushed()


def test_another_machine_takes_the_layers_from_the_registry_and_gets_the_same_digest(
    machine: Machine,
    builder: str,
    docker_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert docker_engine.trusts is not None
    base = machine.repository(f"shared-by-{builder}/base")
    machine.write("FROM scratch\nCOPY file /file\n", file="of the base")
    base = machine.build(base)
    repository = machine.repository(f"shared-by-{builder}/project")
    machine.write(f"FROM {base}\nCOPY file /another\nENV A=1\n", file="of the project")
    first = machine.build(repository)
    machine.registry.asked()
    capfd.readouterr()
    with private_engine(docker_engine.trusts) as another:
        monkeypatch.setenv("DOCKER_HOST", another.host)
        again = [machine.build(repository) for _ in range(2)]

    assert again == [first, first]
    assert CACHED[builder] in capfd.readouterr().err
    assert [path for path in machine.registry.pushed() if "/uploads/" in path] == []


def test_an_image_that_is_only_here_is_pushed_and_one_of_a_registry_is_left_alone(
    machine: Machine, docker_host: str
) -> None:
    import docker

    repository = machine.repository("docker-env/project")
    client = docker.DockerClient(docker_host)
    machine.write("FROM scratch\nCOPY file /file\n", file="of a user")
    client.images.build(path=str(machine.folder), tag="a-users-own:1")

    made = machine.take("a-users-own:1", repository=repository)
    assert made.image.startswith(f"{repository}@sha256:")
    assert made.local is None
    machine.registry.asked()
    assert machine.take("a-users-own:1", repository=repository).image == made.image
    assert machine.registry.pushed() == []

    # The engine knows now that this name is in its registry; and of a third it knows nothing.
    in_registry = next(tag for tag in client.images.get(made.image).tags if "a-users" not in tag)
    for name in (in_registry, made.image, "python:3.11"):
        assert machine.take(name, repository=repository).image == name
    client.close()
    assert machine.registry.pushed() == []
    # The emulator's containers run on this engine.
    assert machine.take("a-users-own:1", ref=EMULATOR).image == "a-users-own:1"
    assert machine.take("a-users-own:1", ref=EMULATOR, repository=repository) == made


def test_the_credential_store_of_docker_signs_in(
    machine: Machine, builder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-tests"
    secret = json.dumps({"Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\nread server\necho '{secret}'\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    config = {"credHelpers": {machine.registry.address: "tests"}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
    machine.write("FROM scratch\nCOPY file /file\n", file=f"of a store, by {builder}")

    repository = machine.repository(f"stored-{builder}/project")
    assert machine.build(repository, auth=None).startswith(f"{repository}@sha256:")


def test_what_is_pushed_elsewhere_is_used_with_push_false(machine: Machine) -> None:
    repository = machine.repository("kept/project")
    machine.write("FROM scratch\nCOPY file /file\n", file="kept")
    with pytest.raises(ImageError, match=r"`image\.push` is false"):
        machine.build(repository, push=False)
    pushed = machine.build(repository)

    assert machine.build(repository, push=False) == pushed
    assert _tags(machine.registry, repository, pushed)


def _tags(registry: Registry, repository: str, pushed: str) -> bool:
    """Tell whether the content was pushed under a tag of its own and under the newest one."""
    written = "\n".join(registry.pushed())
    path = repository.partition("/")[2]
    return bool(
        re.search(rf"/v2/{path}/manifests/[0-9a-f]{{16}}$", written, re.MULTILINE)
        and f"/v2/{path}/manifests/mlflow-azureml" in written
    )
