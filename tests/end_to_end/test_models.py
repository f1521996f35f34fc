"""The model of a run in the registry: by the config, by the command line, by MLflow itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
import pytest
import requests
from click.testing import CliRunner

import mlflow_azureml_backend
from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import WorkspaceRef
from mlflow_azureml_backend.model_spec import WISH
from mlflow_azureml_backend.workspace import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from mlflow_azureml_backend.submitted_run import AzureMLSubmittedRun

PATH = "outputs/model"
EXAMPLE = pd.DataFrame({"x": [3.0]})
LARGE = 11_000_000
PROJECT = f"""
name: trainer
entry_points:
  main:
    command: "mkdir outputs && cp -r model outputs/model && echo note > outputs/note.txt &&
      head -c {LARGE} /dev/zero > outputs/model/weights.bin"
"""


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2


@dataclass(frozen=True)
class World:
    """A run whose config asks for its model, in a SQLite store; and who completed it."""

    run: AzureMLSubmittedRun
    workspace: dict[str, str]
    commit: str
    said: str
    cli: Callable[..., Result]

    def json(self, *arguments: str) -> Any:
        result = self.cli(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def arm(self, path: str) -> Any:
        """Ask Azure Resource Manager, as `az ml` does."""
        connection = connect(WorkspaceRef(**self.workspace))._connection
        return connection.arm("GET", path, api_version="2024-04-01", doing="looking")


@pytest.fixture(scope="module")
def world(emulator, empty_store, tmp_path_factory) -> Iterator[World]:
    from mlflow_azureml_backend.emulator import lifecycle
    from mlflow_azureml_backend.emulator.administration import request

    folder = tmp_path_factory.mktemp("models")
    workspace = {
        "subscription_id": str(uuid.uuid4()),
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(workspace.values())}")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lifecycle.environment(emulator).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        mlflow.create_experiment("models", artifact_location=(folder / "artifacts").as_uri())
        commit = write_project(folder / "project")
        run = mlflow.projects.run(
            str(folder / "project"),
            backend="azureml",
            backend_config={
                "workspace": workspace,
                "compute": "cpu-cluster",
                "register_model": {
                    "name": "doubling",
                    "path": PATH,
                    "tags": {"team": "späße"},
                    "alias": "newest",
                },
            },
            experiment_name="models",
            synchronous=False,
        )

        def cli(*arguments: str) -> Result:
            return CliRunner().invoke(main, list(arguments))

        # Another client completes it, which knows the run's id alone.
        said = cli("logs", "-f", run.run_id)
        assert said.exit_code == 0, said.output
        yield World(run, workspace, commit, said.stderr, cli)
        mlflow.set_tracking_uri(None)


def write_project(folder: Path) -> str:
    """Write the project with a model in it, commit it, and give the commit."""
    folder.mkdir()
    (folder / "MLproject").write_text(PROJECT)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=Doubling(),
        pip_requirements=["mlflow"],
        signature=mlflow.models.infer_signature(EXAMPLE, EXAMPLE),
    )
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run([*git, *command], check=True)
    told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def versions(name: str) -> list[Any]:
    return list(mlflow.MlflowClient().search_model_versions(f"name='{name}'"))


def test_who_completes_the_run_registers_the_model_that_its_config_asks_for(world):
    [version] = versions("doubling")

    assert "doubling version 1" in world.said
    assert (version.run_id, version.status) == (world.run.run_id, "READY")
    assert version.tags["team"] == "späße"
    assert version.tags["azureml.job_name"] == world.run.job_name
    assert world.workspace["workspace_name"] in version.tags["azureml.workspace"]
    assert version.tags["azureml.studio_url"] == world.run.studio_url
    assert version.tags["mlflow.source.git.commit"] == world.commit


def test_all_files_of_the_model_arrive_also_those_that_are_too_large_to_be_mirrored(world):
    files = mlflow.artifacts.list_artifacts("models:/doubling@newest")
    model = mlflow.pyfunc.load_model("models:/doubling@newest")

    names = {file.path: file.file_size for file in files}
    assert {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"} <= names.keys()
    assert names["weights.bin"] == LARGE
    assert model.metadata.signature is not None
    assert list(model.predict(EXAMPLE)["x"]) == [6.0]


def test_registering_again_gives_the_same_version(world):
    again = world.cli("register", "latest", "--path", f"{PATH}/", "--name", "doubling")
    world.run.wait()

    assert again.stdout == "doubling version 1: models:/doubling/1\n", again.output
    assert len(versions("doubling")) == 1


def test_what_mlflow_registered_is_not_registered_a_second_time(world):
    mlflow.register_model(f"runs:/{world.run.run_id}/{PATH}", "by hand")
    told = world.json(
        *("register", world.run.job_name, "--name", "by hand", "--path", PATH, "--alias", "mine")
    )

    assert (told["version"], told["uri"]) == ("1", "models:/by hand/1")
    assert told["aliases"] == ["mine"]
    assert len(versions("by hand")) == 1


def test_the_workspaces_own_registry_takes_it_too_and_says_where_its_page_is(world, emulator):
    from mlflow_azureml_backend.emulator import lifecycle

    asked = ("register", "latest", "--name", "line up", "--path", PATH, "--registry", "workspace")
    told = world.json(*asked, "--tag", "a=b=c", "--alias", "best")
    again = world.json(*asked)

    assert told == again
    assert (told["version"], told["status"], told["aliases"]) == ("1", "READY", ["best"])
    assert told["run_id"] == world.run.job_name
    assert told["source"].endswith(f"/runs/{world.run.job_name}/artifacts/{PATH}")
    assert told["tags"]["a"] == "b=c"
    assert told["tags"]["mlflow.source.git.commit"] == world.commit
    assert versions("line up") == []
    asset = world.arm("/models/line%20up/versions/1")["properties"]
    assert asset["modelUri"].endswith(
        f"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{world.run.job_name}/{PATH}"
    )
    assert (asset["modelType"], asset["jobName"]) == ("mlflow_model", world.run.job_name)
    browser = requests.Session()
    browser.get(lifecycle.browser_link(emulator, "/"), timeout=30)
    page = browser.get(told["link"], timeout=30, allow_redirects=False)
    assert page.headers["location"].endswith("/#/models/line%20up/versions/1")


@pytest.mark.slow
def test_the_wish_of_a_run_that_only_the_workspace_has_is_fulfilled_there(world):
    connection = connect(WorkspaceRef(**world.workspace))._connection
    connection.json(
        "POST",
        f"{connection.api}/mlflow/v2.0{connection.ref.arm_id}/api/2.0/mlflow/runs/set-tag",
        body={
            "run_id": world.run.job_name,
            "key": WISH,
            "value": json.dumps({"name": "in the workspace", "path": PATH}),
        },
        doing="tagging",
    )
    empty = f"sqlite:///{'nothing'}.db"
    done = world.cli(
        *("logs", world.run.job_name, "-w", connection.ref.arm_id, "--tracking-uri", empty)
    )
    mlflow.set_tracking_uri(f"sqlite:///{'mlflow'}.db")

    assert "in the workspace version 1: http" in done.stderr, done.output


def test_the_versions_of_a_run_are_shown_with_it(world):
    told = world.json("show", world.run.run_id)
    models = {(model["name"], model["version"]): model for model in told["models"]}
    text = world.cli("show", world.run.run_id).stdout

    assert models[("doubling", "1")]["tags"]["azureml.model_path"] == PATH
    assert "models:/doubling/1" in text
    assert told["notes"] == []


@pytest.mark.slow
def test_a_wish_that_cannot_be_fulfilled_leaves_no_run_open_and_says_what_to_do(world):
    client = mlflow.MlflowClient()
    first = client.get_run(world.run.run_id)
    keys = ("azureml.job_name", "azureml.workspace", "azureml.studio_url")
    tags = {key: first.data.tags[key] for key in keys}
    wish = json.dumps({"name": "never", "path": "nowhere"})
    run_id = client.create_run("0", tags={**tags, WISH: wish}).info.run_id
    waited = world.cli("wait", run_id)

    assert waited.exit_code == 1
    assert "The job completed, but its model is not registered." in waited.stderr
    assert f"mlflow-azureml register {run_id} --path nowhere --name never" in waited.stderr
    assert client.get_run(run_id).info.status == "FINISHED"
    client.delete_run(run_id)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--path", "nowhere"), "no MLflow model at 'nowhere'"),
        (("--path", "nowhere", "--registry", "workspace"), f"It has: {PATH}."),
        (("--path", "outputs"), "there is no outputs/MLmodel"),
        (("--path", "../x"), "path: "),
        (("--alias", "v1"), "alias: "),
        (("--tag", "novalue"), "KEY=VALUE"),
    ],
)
def test_what_cannot_be_registered_is_one_clear_message(world, arguments, part):
    result = world.cli("register", "latest", "--name", "never", *arguments)

    assert result.exit_code != 0
    assert part in result.stderr
    assert versions("never") == []


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"path": "model"}, "register_model.name"),
        ({"name": "a/b"}, "register_model.name"),
        ({"name": "a", "alias": "latest"}, "register_model.alias"),
        ({"name": "a", "path": "/model"}, "register_model.path"),
        ({"name": "a", "tags": {"k": "v" * 1000}}, "1,000 characters"),
        ({"name": "a", "stage": "Production"}, "stage"),
    ],
)
def test_a_wish_that_cannot_be_is_found_before_anything_is_created(given, part):
    with pytest.raises(ConfigError) as caught:
        read_backend_config({"register_model": given})

    assert part in str(caught.value)


def test_the_models_of_a_sweep_are_its_trials():
    sweep = {
        "sampling_algorithm": "random",
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 2},
        "search_space": {"alpha": {"type": "uniform", "min_value": 0, "max_value": 1}},
    }
    with pytest.raises(ConfigError, match="Register the best one's afterwards"):
        read_backend_config({"register_model": {"name": "a"}, "sweep": sweep})


def test_the_verb_is_there_in_python(world):
    version = mlflow_azureml_backend.register(world.run.run_id, name="doubling", path=PATH)

    assert version.uri == "models:/doubling/1"
