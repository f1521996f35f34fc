"""What all tests share: a clean environment, no network but loopback, and one emulator a run."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docker_engine import base_image, docker_engine, docker_host  # noqa: F401 (fixtures)
from tests.image_registry import registry  # noqa: F401 (a fixture)
from tests.plugin_environment import plugin_python  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

# Taken before the environment is cleaned: the end-to-end tests run in that workspace instead.
REAL_WORKSPACE = os.environ.get("AZUREML_TEST_WORKSPACE")
_FOREIGN = ("AZURE", "MLFLOW")
_LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True)
class Workspace:
    """Name a workspace of the emulator that no other test uses."""

    subscription_id: str
    resource_group: str
    workspace_name: str
    endpoint: Endpoint

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"
        )


def pytest_configure() -> None:
    # Before any test module is imported: some packages read their variables at import.
    for name in [name for name in os.environ if name.upper().startswith(_FOREIGN)]:
        if REAL_WORKSPACE is None or not name.startswith("AZURE"):
            del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    _allow_loopback_alone()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, and those that share environments on disk on another."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        group = str(item.path)
        if item.path.parent.name == "plugin":
            group = "plugin"
        elif "docker_engine" in getattr(item, "fixturenames", ()):
            group = "docker"  # one engine and one base image for all
        item.add_marker(pytest.mark.xdist_group(group))


# A shell that runs tests in the background lets them, and all that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def emulator_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep every test away from the emulator of the person who runs the tests."""
    root = tmp_path_factory.mktemp("emulator") / "root"
    os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = str(root)
    return root


@pytest.fixture(scope="session")
def recorded_traffic() -> dict[Path, Any]:
    """Hold the recordings of the emulators that tests share."""
    return {}


@pytest.fixture(autouse=True)
def official_api(recorded_traffic: dict[Path, Any]) -> Iterator[None]:
    """Fail a test whose exchanges with an emulator break the service's official OpenAPI."""
    yield
    faults = [fault for traffic in recorded_traffic.values() for fault in traffic.faults()]
    if faults:
        pytest.fail("The official OpenAPI says otherwise:\n" + "\n".join(faults), pytrace=False)


def record_of(root: Path, recorded_traffic: dict[Path, Any]) -> Path:
    """Name the file that an emulator records its traffic to, which every test then looks at."""
    from tests.conformance.traffic import Traffic

    file = root.with_name("traffic.jsonl")
    recorded_traffic[file] = Traffic(file)
    return file


@pytest.fixture(scope="session")
def emulator(emulator_root: Path, recorded_traffic: dict[Path, Any]) -> Iterator[Endpoint]:
    """Run one emulator for all tests; each test takes a `workspace` of its own."""
    from mlflow_azureml_backend.emulator import lifecycle

    endpoint = lifecycle.start(
        emulator_root,
        runtime="host",
        dwell_seconds=0,
        idle_seconds=3600,
        record=record_of(emulator_root, recorded_traffic),
    )
    try:
        yield endpoint
    finally:
        lifecycle.stop(emulator_root)


@pytest.fixture
def workspace(emulator: Endpoint) -> Workspace:
    """Create a fresh, isolated workspace."""
    from mlflow_azureml_backend.emulator.administration import request

    made = Workspace(
        subscription_id=str(uuid.uuid4()),
        resource_group="tests",
        workspace_name=f"workspace-{uuid.uuid4().hex[:8]}",
        endpoint=emulator,
    )
    path = f"{made.subscription_id}/{made.resource_group}/{made.workspace_name}"
    request(emulator, "PUT", f"/_emulator/workspaces/{path}")
    return made


@pytest.fixture(scope="session")
def venv_emulator(tmp_path_factory, recorded_traffic):
    """Run an emulator that builds environments; the other one runs jobs as they are."""
    if REAL_WORKSPACE:
        yield None
        return
    from mlflow_azureml_backend.emulator import lifecycle

    root = tmp_path_factory.mktemp("venv-emulator") / "root"
    record = record_of(root, recorded_traffic)
    lifecycle.start(root, runtime="venv", dwell_seconds=0, idle_seconds=3600, record=record)
    yield root
    lifecycle.stop(root)


@pytest.fixture
def workspace_config(venv_emulator, monkeypatch) -> Any:
    """Name a workspace in a backend config's words: one of its own for each test."""
    if REAL_WORKSPACE:
        return str(Path(REAL_WORKSPACE).resolve())
    from mlflow_azureml_backend.emulator import lifecycle
    from mlflow_azureml_backend.emulator.administration import request

    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(venv_emulator))
    config = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    path = "/".join(config.values())
    request(lifecycle.running(venv_emulator), "PUT", f"/_emulator/workspaces/{path}")
    return config


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """Create MLflow's tables once; each test gets a copy of the file."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("store")
    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"))
    return folder / "mlflow.db"


@pytest.fixture
def signed_in(emulator: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Set what `mlflow-azureml emulator env` prints, so that clients find the emulator as Azure."""
    from mlflow_azureml_backend.emulator import lifecycle

    for name, value in lifecycle.environment(emulator).items():
        monkeypatch.setenv(name, value)
    return emulator


def _allow_loopback_alone() -> None:
    """Let no test reach a real network: what a test needs from there, it must bring along."""
    connect, connect_ex, resolve = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def refuse(host: Any) -> None:
        if not str(host).startswith(_LOOPBACK):
            raise PermissionError(f"A test tried to reach {host}.")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            refuse(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            refuse(address[0])
        return connect_ex(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host:
            refuse(host.decode() if isinstance(host, bytes) else host)
        return resolve(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_resolve
