"""One workspace with a few jobs, and a user's MLflow store that knows some of them."""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.errors import WorkspaceError
from mlflow_azureml_backend.job import JobHandle, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

LARGE = 9_000_000
OUTPUTS = {"model": {"jobOutputType": "uri_folder"}}
TRAINS = (
    "echo one; echo two; mkdir -p outputs/deep; echo a note > outputs/note.txt; "
    f": > outputs/empty; head -c {LARGE} /dev/urandom > outputs/deep/large.bin; "
    "mkdir -p ${{outputs.model}}/sub; echo weights > ${{outputs.model}}/sub/w.txt"
)


@dataclass(frozen=True)
class World:
    """What there is: jobs by what became of them, and the runs of three of them in the store."""

    workspace: WorkspaceRef
    connection: Any
    store: str
    runs: dict[str, str]
    administer: Callable[..., dict[str, Any]]
    added: list[tuple[str, str]] = field(default_factory=list)

    def submit(self, name: str, command: str = "true", **properties: Any) -> str:
        job = {
            "jobType": "Command",
            "command": command,
            "environmentId": f"{self.workspace.arm_id}/environments/plain/versions/1",
            "computeId": f"{self.workspace.arm_id}/computes/cpu-cluster",
            "experimentName": "in the workspace",
            **properties,
        }
        body = {"properties": job}
        self.connection.arm(
            "PUT", f"/jobs/{name}", api_version="2024-04-01", body=body, doing="submitting"
        )
        self.added.append(("job", name))
        return name

    def advance(self, name: str, to: str) -> str:
        """Wait until a job is at a status, or at its end."""
        return str(self.administer("POST", f"jobs/{name}/advance", {"to": to})["status"])

    def handle(self, name: str) -> JobHandle:
        link = f"https://ml.azure.com/runs/{name}"
        return JobHandle(workspace=self.workspace, job_name=name, studio_url=link)

    def open_run(self, name: str, experiment: str = "here") -> str:
        """Give a job a run in the user's store, as a submission does."""
        from mlflow import MlflowClient

        from mlflow_azureml_backend.tracking.handle_tags import tags_of

        client = MlflowClient(self.store)
        known = client.get_experiment_by_name(experiment)
        chosen = known.experiment_id if known else client.create_experiment(experiment)
        run_id = str(client.create_run(chosen, tags=tags_of(self.handle(name))).info.run_id)
        self.added.append(("run", run_id))
        return run_id

    def forget(self) -> None:
        """Take away what one test has added, which others would find newest."""
        from mlflow import MlflowClient

        while self.added:
            kind, name = self.added.pop()
            if kind == "run":
                MlflowClient(self.store).delete_run(name)
                continue
            arm = self.connection.arm
            with contextlib.suppress(WorkspaceError):  # it has ended
                arm("POST", f"/jobs/{name}/cancel", api_version="2024-04-01", doing="cancelling")
            self.advance(name, "Canceled")
            arm("DELETE", f"/jobs/{name}", api_version="2024-04-01", doing="deleting")


@pytest.fixture(scope="session")
def world(emulator, empty_store, tmp_path_factory) -> Iterator[World]:
    from mlflow_azureml_backend.emulator import lifecycle
    from mlflow_azureml_backend.emulator.administration import request
    from mlflow_azureml_backend.workspace import connect

    ref = WorkspaceRef(
        subscription_id=str(uuid.uuid4()), resource_group="tests", workspace_name="cli"
    )
    path = f"/_emulator/workspaces/{ref.subscription_id}/tests/cli"
    request(emulator, "PUT", path)

    def administer(method: str, below: str, body: Any = None) -> dict[str, Any]:
        return request(emulator, method, f"{path}/{below}", body=body, seconds=60)

    store = tmp_path_factory.mktemp("cli") / "mlflow.db"
    shutil.copy(empty_store, store)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lifecycle.environment(emulator).items():
            patch.setenv(name, value)
        made = World(
            workspace=ref,
            connection=connect(ref)._connection,
            store=f"sqlite:///{store}",
            runs={},
            administer=administer,
        )
        made.connection.arm(
            "PUT",
            "/environments/plain/versions/1",
            api_version="2024-04-01",
            body={"properties": {"image": "mcr.microsoft.com/azureml/base"}},
            doing="registering",
        )
        made.submit("trained", TRAINS, outputs=OUTPUTS, displayName="A\tname")
        made.submit("broken", "echo oh no; exit 3")
        for name in ("trained", "broken"):
            made.advance(name, "Completed")
        log_to_run(made, "trained")
        for name in ("trained", "broken"):
            made.runs[name] = made.open_run(name)
        made.submit("foreign", "echo nobody knows me")
        made.advance("foreign", "Completed")
        made.added.clear()
        yield made


def log_to_run(world: World, job_name: str) -> None:
    """Log to a job's run as the job itself would."""
    url = (
        f"{world.connection.api}/mlflow/v2.0{world.workspace.arm_id}/api/2.0/mlflow/runs/log-batch"
    )
    body = {
        "run_id": job_name,
        "params": [{"key": "alpha", "value": "0.5"}],
        "metrics": [
            {"key": "loss", "value": 1 / (step + 1), "timestamp": 1_700_000_000_000, "step": step}
            for step in range(4)
        ],
    }
    world.connection.json("POST", url, body=body, doing="logging")


@pytest.fixture
def in_world(world, signed_in, monkeypatch, tmp_path) -> Iterator[World]:
    """Stand where a user stands: signed in, the store chosen, in an empty working directory."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", world.workspace.subscription_id)
    monkeypatch.setenv("AZUREML_ARM_RESOURCEGROUP", world.workspace.resource_group)
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", world.workspace.workspace_name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.store)
    mlflow.set_tracking_uri(world.store)
    yield world
    world.forget()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def cli(in_world) -> Callable[..., Result]:
    """Call the command line in this process."""
    from mlflow_azureml_backend.cli import main

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def faults(world, emulator) -> Iterator[Callable[..., None]]:
    """Let requests to the workspace go wrong until the test ends."""
    from mlflow_azureml_backend.pytest_plugin import Faults

    of_world = Faults(emulator, world.workspace.arm_id)
    yield of_world.add
    of_world.clear()


def read_json(result: Result) -> Any:
    """Read the one JSON document that a command printed."""
    assert result.exit_code in {0, 1, 3, 4}, result.output
    return json.loads(result.stdout)
