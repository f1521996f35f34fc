"""The pytest plugin: the fixture `azureml_emulator`, an offline Azure ML workspace for one test.

pytest loads this module wherever the package is installed, so at import it needs pytest and the
standard library alone.
"""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from azure.ai.ml import MLClient

    from mlflow_azureml_backend.emulator.endpoint import Endpoint
    from mlflow_azureml_backend.emulator.journal import Entry

__all__ = ["AzureMLEmulator", "Faults"]

_SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
_ROOT_VARIABLE: Final = "MLFLOW_AZUREML_EMULATOR_ROOT"
_START_SECONDS: Final = 120.0
_IDLE_SECONDS: Final = 600.0
_ADVANCE_SECONDS: Final = 60.0
_COMPUTE: Final = "cpu-cluster"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the emulator of a test run can be told, to the command line and the ini file."""
    group = parser.getgroup("azureml", "offline Azure ML workspace (azureml_emulator)")
    group.addoption(
        "--azureml-runtime",
        metavar="NAME",
        help="what jobs run in: venv (default; an environment built for each project), host (the "
        "Python that runs the tests: fast), or another runtime of the emulator",
    )
    group.addoption(
        "--azureml-emulator-root",
        metavar="DIR",
        help="keep the emulator's state here, for example to keep built environments between "
        "test runs; default: a temporary directory",
    )
    parser.addini("azureml_runtime", "what jobs run in; see --azureml-runtime", default="venv")
    parser.addini("azureml_emulator_root", "see --azureml-emulator-root", default="")


class Faults:
    """Let requests to one workspace go wrong.

    Args:
        endpoint: the emulator.
        workspace: the workspace's ARM id.
    """

    def __init__(self, endpoint: Endpoint, workspace: str) -> None:
        self._endpoint = endpoint
        self._workspace = workspace
        self._path = f"/_emulator/faults?{urlencode({'workspace': workspace})}"

    def add(self, **fault: Any) -> int:
        """Put a fault into force, for this workspace alone unless it names another scope.

        Args:
            fault: as in a file of faults, for example `route="GET */details", status=429,
                count=3`. `workspace=""` is for requests that belong to no workspace, such as
                signing in.

        Returns:
            Its number.

        Raises:
            EmulatorError: it is not a valid fault; the message says why.
        """
        from mlflow_azureml_backend.emulator.administration import request

        document = {"workspace": self._workspace, **fault}
        answer = request(self._endpoint, "POST", "/_emulator/faults", body=document)
        return int(answer["faults"][0]["id"])

    def list(self) -> list[dict[str, Any]]:
        """Give the workspace's faults in force, with how many requests they met and struck."""
        from mlflow_azureml_backend.emulator.administration import request

        return list(request(self._endpoint, "GET", self._path)["faults"])

    def clear(self) -> None:
        """Take the workspace's faults out of force."""
        from mlflow_azureml_backend.emulator.administration import request

        request(self._endpoint, "DELETE", self._path)


class AzureMLEmulator:
    """An Azure ML workspace that belongs to one test.

    Args:
        endpoint: how the emulator is reached.
        root: the emulator's state directory.
        workspace_name: the workspace's name.
        monkeypatch: undoes at the end of the test what is set in the environment.
    """

    compute: Final = _COMPUTE
    """A compute cluster that the workspace has."""

    def __init__(
        self,
        endpoint: Endpoint,
        root: Path,
        workspace_name: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.endpoint = endpoint
        self.root = root
        self.subscription_id = _SUBSCRIPTION
        self.resource_group = "tests"
        self.workspace_name = workspace_name
        self.faults = Faults(endpoint, self.arm_id)
        self._monkeypatch = monkeypatch

    @property
    def workspace(self) -> dict[str, str]:
        """The workspace in a backend config's words, fresh each time."""
        return {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.workspace_name,
        }

    @property
    def backend_config(self) -> dict[str, Any]:
        """The smallest backend config that runs, fresh each time: add to it what you test."""
        return {"workspace": self.workspace, "compute": self.compute}

    @property
    def arm_id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"
        )

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables with which any Azure client uses the emulator, for processes you start."""
        from mlflow_azureml_backend.emulator.lifecycle import environment

        return {
            **environment(self.endpoint),
            _ROOT_VARIABLE: str(self.root),
            "AZUREML_ARM_SUBSCRIPTION": self.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": self.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": self.workspace_name,
        }

    def sign_in(self) -> None:
        """Set `environ` in this process until the test ends: Azure clients then work as they are.

        `mlflow run --backend azureml` needs no such thing.
        """
        for name, value in self.environ.items():
            self._monkeypatch.setenv(name, value)

    def ml_client(self) -> MLClient:
        """Sign in and give azure-ai-ml's client of the workspace."""
        from azure.ai.ml import MLClient
        from azure.identity import EnvironmentCredential

        self.sign_in()
        return MLClient(
            EnvironmentCredential(),
            self.subscription_id,
            self.resource_group,
            self.workspace_name,
        )

    def journal(self, *, client: str = "") -> list[Entry]:
        """Give the requests that the workspace was asked, oldest first.

        Args:
            client: only those whose User-Agent contains this.
        """
        from mlflow_azureml_backend.emulator.administration import request
        from mlflow_azureml_backend.emulator.journal import MOST_ENTRIES, Entry

        query = urlencode({"workspace": self.arm_id, "client": client, "limit": MOST_ENTRIES})
        page = request(self.endpoint, "GET", f"/_emulator/journal?{query}")
        return [Entry(**{**each, "faults": tuple(each["faults"])}) for each in page["entries"]]

    def hold(self) -> None:
        """Let jobs of the workspace stay in each status until `advance` moves them on."""
        self._pace(held=True)

    def release(self) -> None:
        """Let held jobs go on by themselves."""
        self._pace(held=False)

    def advance(self, job_name: str, to: str | None = None) -> str:
        """Move a held job on and wait until it is there; no test needs to sleep.

        Args:
            job_name: the job.
            to: the status to reach, in Azure ML's spelling; None: the next one.

        Returns:
            The job's status now: the one asked for, or a later one.

        Raises:
            EmulatorError: it cannot get there; the message says why.
        """
        from mlflow_azureml_backend.emulator.administration import request

        path = f"/_emulator/workspaces/{'/'.join(self.workspace.values())}/jobs/{job_name}/advance"
        body = {} if to is None else {"to": to}
        answer = request(self.endpoint, "POST", path, body=body, seconds=_ADVANCE_SECONDS)
        return str(answer["status"])

    def _pace(self, *, held: bool) -> None:
        from mlflow_azureml_backend.emulator.administration import request

        path = f"/_emulator/workspaces/{'/'.join(self.workspace.values())}/pace"
        request(self.endpoint, "PUT", path, body={"held": held})


class EmulatorOfRun:
    """The emulator that the tests of one run share.

    Args:
        root: its state directory.
        runtime: what jobs run in.
    """

    def __init__(self, root: Path, runtime: str) -> None:
        self.root = root
        self._runtime = runtime

    def endpoint(self) -> Endpoint:
        """Start it, unless it runs: it ends itself when no test used it for ten minutes.

        Raises:
            EmulatorError: it does not start.
        """
        from mlflow_azureml_backend.emulator import lifecycle

        return lifecycle.start(
            self.root,
            runtime=self._runtime,
            dwell_seconds=0.0,
            idle_seconds=_IDLE_SECONDS,
            seconds=_START_SECONDS,
        )


@pytest.fixture(scope="session")
def azureml_emulator_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatorOfRun]:
    """Run the emulator that all tests of this run share, also those of other xdist workers."""
    from mlflow_azureml_backend.emulator.requirements import what_is_missing

    missing = what_is_missing()
    if missing:
        pytest.fail(missing, pytrace=False)
    from mlflow_azureml_backend.emulator.lifecycle import EmulatorError

    root = _root(pytestconfig, tmp_path_factory)
    runtime = pytestconfig.getoption("--azureml-runtime") or pytestconfig.getini("azureml_runtime")
    try:
        with _shared(root):
            yield EmulatorOfRun(root, runtime)
    except EmulatorError as error:
        pytest.fail(f"The emulator cannot be used: {error}", pytrace=False)


@pytest.fixture
def azureml_emulator(
    azureml_emulator_server: EmulatorOfRun, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AzureMLEmulator]:
    """Give the test an Azure ML workspace of its own, on an emulator on this machine.

    `mlflow.projects.run(…, backend="azureml", backend_config=azureml_emulator.backend_config)`
    runs in it with no Azure account and no network.
    """
    from mlflow_azureml_backend.emulator.administration import request

    endpoint, root = azureml_emulator_server.endpoint(), azureml_emulator_server.root
    monkeypatch.setenv(_ROOT_VARIABLE, str(root))
    emulator = AzureMLEmulator(endpoint, root, f"test-{uuid.uuid4().hex[:12]}", monkeypatch)
    request(endpoint, "PUT", f"/_emulator/workspaces/{'/'.join(emulator.workspace.values())}")
    yield emulator
    emulator.faults.clear()


def _root(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    named = config.getoption("--azureml-emulator-root") or config.getini("azureml_emulator_root")
    if named:
        return (config.rootpath / Path(str(named)).expanduser()).absolute()
    base = factory.getbasetemp()
    # Each worker of pytest-xdist has a folder of its own inside that of the whole run.
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared / "azureml-emulator"


@contextmanager
def _shared(root: Path) -> Iterator[None]:
    """Let other processes of this test run use the emulator too; the last one stops it."""
    from mlflow_azureml_backend.emulator import lifecycle
    from mlflow_azureml_backend.emulator.exclusive import exclusive

    users = root / "users"
    users.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = users / uuid.uuid4().hex
    try:
        # Held as long as this process lives, whatever becomes of it.
        with exclusive(mark, seconds=_START_SECONDS):
            yield
    finally:
        mark.unlink(missing_ok=True)
        with exclusive(root / "users.lock", seconds=_START_SECONDS):
            if not any(map(_is_held, users.iterdir())):
                lifecycle.stop(root)


def _is_held(mark: Path) -> bool:
    from mlflow_azureml_backend.emulator.exclusive import exclusive

    with suppress(TimeoutError), exclusive(mark, seconds=0):
        return False
    return True
