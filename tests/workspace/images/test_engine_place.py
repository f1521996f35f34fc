"""The engine is asked of an image only where there may be one, and where its answer matters."""

import json
import sys

import pytest

from mlflow_azureml_backend.job import EMULATOR
from mlflow_azureml_backend.workspace.images import engine_place
from mlflow_azureml_backend.workspace.images.engine_place import may_listen
from tests.workspace.images.conftest import Machine

SOCKET = "var/docker.sock"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give a user without a configuration of Docker, on a machine without its engine."""
    monkeypatch.setattr(engine_place, "_SOCKET", tmp_path / SOCKET)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="its engine has no socket")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"DOCKER_HOST": "unix://{home}/none.sock"}, False),
        ({"DOCKER_HOST": "unix://{home}"}, True),
        ({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, True),
        ({"DOCKER_HOST": "ssh://user@machine"}, True),
        ({"DOCKER_CONTEXT": "default"}, False),
        ({"DOCKER_CONTEXT": "colima"}, True),
        ({"DOCKER_CONFIG": "{home}/configured"}, True),
    ],
)
def test_a_place_that_is_known_and_empty_has_no_engine(home, variables, expected):
    (home / "configured").mkdir()
    (home / "configured" / "config.json").write_text(json.dumps({"currentContext": "colima"}))
    assert may_listen({n: v.replace("{home}", str(home)) for n, v in variables.items()}) == expected


@pytest.mark.parametrize("config", ["{", "[]", "{}", '{"currentContext": "default"}'])
def test_the_engine_of_the_system_is_where_its_socket_is(home, config):
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(config)
    assert not may_listen({})
    (home / SOCKET).parent.mkdir()
    (home / SOCKET).touch()
    assert may_listen({})


@pytest.mark.parametrize(
    ("name", "host", "where"),
    [
        ("team/project:1", "unix:///nowhere/docker.sock", {}),
        ("team/project:1", "tcp://127.0.0.1:1", {"ref": EMULATOR}),
        ("team/project@sha256:0", "tcp://127.0.0.1:1", {}),
        ("mcr.microsoft.com/azureml/base:1", "tcp://127.0.0.1:1", {}),
    ],
)
def test_where_nobody_has_to_be_asked_docker_py_is_not_even_imported(
    tmp_path, monkeypatch, name, host, where
):
    for module in [each for each in sys.modules if each.partition(".")[0] == "docker"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setenv("DOCKER_HOST", host)
    assert Machine(tmp_path, registry=None).take(name, auth=None, **where).image == name
    assert "docker" not in sys.modules
