"""An emulator without its server, for the tests of jobs: real processes, documents and blobs."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.blob_store import BlobStore
from mlflow_azureml_backend.emulator.emulation import Emulation, Settings
from mlflow_azureml_backend.emulator.identity import Issuer
from mlflow_azureml_backend.emulator.job_body import new_job
from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
from mlflow_azureml_backend.emulator.resources import WorkspaceKey
from mlflow_azureml_backend.emulator.routes.workspaces import seed_workspace
from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime
from mlflow_azureml_backend.emulator.state import Document, State
from mlflow_azureml_backend.emulator.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlflow_azureml_backend.emulator.runtimes import Runtime

ENDED = ("Completed", "Failed", "Canceled")
SECONDS = 60.0
CONDA = {"dependencies": ["python", "pip", {"pip": ["six==1.16.0"]}]}


class WatchedState(State):
    """Tell the tests of every status a job comes to, in their order."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self._changed = threading.Condition()
        self.statuses: defaultdict[str, list[str]] = defaultdict(list)

    def update(self, kind: str, *place: Any) -> Document:
        document = super().update(kind, *place)
        if kind == "job":
            with self._changed:
                known = self.statuses[document.name]
                if known[-1:] != [document.body["status"]]:
                    known.append(document.body["status"])
                self._changed.notify_all()
        return document

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, SECONDS), dict(self.statuses)


class Bench:
    """An emulator without its server; it may be stopped, and another started in its place."""

    def __init__(
        self,
        root: Path,
        tracking: Tracking,
        key: WorkspaceKey,
        runtime: Runtime | None,
    ) -> None:
        self.root, self.tracking, self.key, self.stopped = root, tracking, key, False
        identity = Issuer(root / "identity.json")
        self.state = WatchedState(root / "state.db")
        self.blobs = BlobStore(root / "blobs", identity.derived_key)
        self.emulation = Emulation(
            settings=Settings(root=root, dwell_seconds=0.0),
            state=self.state,
            blobs=self.blobs,
            identity=identity,
            tracking=tracking,
            address="http://127.0.0.1:9",
            ca_bundle=root / "ca.pem",
            request_stop=lambda: None,
        )
        if not self.state.list("workspace", key.storage_key):
            seed_workspace(self.state, key)
            self.add_environment("conda", condaFile=json.dumps(CONDA), image="base")
        self.engine = self.emulation.jobs = JobEngine(self.emulation, runtime)

    def add_environment(self, name: str, **body: Any) -> None:
        self.state.put("environment", self.key.storage_key, name, "1", body)

    def add_compute(self, name: str, nodes: int) -> None:
        body = {"properties": {"scaleSettings": {"maxNodeCount": nodes}}}
        self.state.put("compute", self.key.storage_key, name, "", body)

    def add_blob(self, container: str, name: str, text: str) -> None:
        self.blobs.write(self.key.storage_account, container, name, text.encode())

    def submit(self, command: str, name: str = "job", **sent: Any) -> str:
        job = new_job(
            name,
            {
                "jobType": "Command",
                "command": command,
                "experimentName": "tests",
                "environmentId": f"{self.key.arm_id}/environments/conda/versions/1",
                "computeId": f"{self.key.arm_id}/computes/cpu-cluster",
                **sent,
            },
        )
        experiment = self.tracking.create_run(
            self.key,
            run_id=name,
            experiment_name="tests",
            run_name=name,
            user="tests",
            tags={},
            start_time_ms=1,
        )
        run = {"experimentId": experiment, "status": "Starting"}
        self.state.put("run", self.key.storage_key, name, "", run)
        self.state.put("job", self.key.storage_key, name, "", job)
        self.engine.submit(self.key, name)
        return name

    def run_to_end(self, command: str, name: str = "job", **sent: Any) -> str:
        return self.end_of(self.submit(command, name, **sent))

    def status(self, name: str = "job") -> str:
        document = self.state.get("job", self.key.storage_key, name)
        assert document is not None
        return str(document.body["status"])

    def wait(self, name: str, *statuses: str) -> str:
        self.state.wait_for(lambda: self.status(name) in statuses)
        return self.status(name)

    def end_of(self, name: str = "job") -> str:
        return self.wait(name, *ENDED)

    def history(self, name: str = "job") -> dict[str, Any]:
        document = self.state.get("run", self.key.storage_key, name)
        assert document is not None
        return document.body

    def warnings(self, name: str = "job") -> str:
        return "\n".join(found["message"] for found in self.history(name).get("warnings") or ())

    def error(self, name: str = "job") -> str:
        error = self.history(name)["error"]
        assert error["code"] == "UserError"
        return str(error["message"])

    def artifact(self, path: str, name: str = "job") -> str | None:
        blob = f"ExperimentRun/dcid.{name}/{path}"
        return self.blob("azureml", blob)

    def blob(self, container: str, name: str) -> str | None:
        found = self.blobs.info(self.key.storage_account, container, name)
        return None if found is None else found.file.read_text()

    def log(self, name: str = "job") -> str | None:
        return self.artifact("user_logs/std_log.txt", name)

    def build_log(self, name: str = "job") -> str:
        return self.artifact("azureml-logs/20_image_build_log.txt", name) or ""

    def stop(self) -> None:
        self.engine.shutdown()
        self.state.close()
        self.blobs.close()
        self.stopped = True


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    root = tmp_path_factory.mktemp("tracking")
    blobs = BlobStore(root / "blobs", lambda purpose: purpose.encode().ljust(64))
    made = Tracking(root=root / "tracking", region="eastus", blobs=blobs)
    yield made
    made.close()
    blobs.close()


@pytest.fixture
def key() -> WorkspaceKey:
    # Each test has a workspace of its own in the one MLflow server.
    return WorkspaceKey(subscription_id="sub", resource_group="Group", name=f"w{uuid.uuid4().hex}")


class Benches:
    """Start emulators on one state directory, one after the other."""

    def __init__(self, root: Path, tracking: Tracking, key: WorkspaceKey) -> None:
        self._root, self._tracking, self._key = root, tracking, key
        self.running: Bench | None = None

    def start(self, runtime: Runtime | None = None) -> Bench:
        """Start one, with the runtime `venv` if none is given; the one before has to be stopped."""
        self.running = Bench(self._root, self._tracking, self._key, runtime)
        return self.running

    def end(self) -> None:
        """End all jobs: none of them may outlive the test."""
        bench = self.running
        if bench is None or bench.stopped:
            return
        jobs = [document.name for document in bench.state.list("job", bench.key.storage_key)]
        for name in jobs:
            bench.engine.cancel(bench.key, name)
        for name in jobs:
            bench.end_of(name)
        bench.stop()


@pytest.fixture
def benches(tmp_path: Path, tracking: Tracking, key: WorkspaceKey) -> Iterator[Benches]:
    made = Benches(tmp_path, tracking, key)
    yield made
    made.end()


@pytest.fixture
def bench(benches: Benches) -> Bench:
    return benches.start(HostRuntime())


class Gate:
    """Two named pipes, by which a job says that it has come somewhere, and waits to go on."""

    def __init__(self, folder: Path) -> None:
        self._here, self._go = (
            folder / f"here-{uuid.uuid4().hex}",
            folder / f"go-{uuid.uuid4().hex}",
        )
        os.mkfifo(self._here)
        os.mkfifo(self._go)

    @property
    def reach(self) -> str:
        return f"echo here > {self._here}"

    @property
    def stay(self) -> str:
        return f"cat {self._go}"

    def wait(self) -> None:
        assert self._here.read_text() == "here\n"

    def open(self, text: str = "") -> None:
        self._go.write_text(text)


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def make_gate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Gate]:
    """Give what makes gates of different names."""
    return lambda name: Gate(tmp_path_factory.mktemp(name))
