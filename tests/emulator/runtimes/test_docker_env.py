"""A project with a docker_env: its image gets the plugin, and runs as a job that logs."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.cli import cli

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec
from mlflow_azureml_backend.emulator.runtimes.docker_images import Images
from mlflow_azureml_backend.emulator.runtimes.uv import Uv
from mlflow_azureml_backend.tracking import handle_of_run
from mlflow_azureml_backend.workspace import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.image_registry import Registry

pytestmark = pytest.mark.timeout(900)

AUTHORITIES = os.environ.get("SSL_CERT_FILE")
TAG = "mlflow-azureml-test:project"
SITE = f"/opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/"
MLPROJECT = f"""
name: in a container
docker_env:
  image: {TAG}
  environment: [[OF_THE_PROJECT, "said"]]
entry_points:
  main:
    parameters: {{alpha: float}}
    command: "python train.py {{alpha}}"
"""
TRAIN = """
import os, sys, mlflow
mlflow.log_metric("loss", float(sys.argv[1]))
mlflow.log_text("kept", "notes/a.txt")
print("in the image of", os.environ["OF_THE_PROJECT"], sys.prefix)
"""


@pytest.fixture(scope="module")
def emulator_folder(tmp_path_factory: pytest.TempPathFactory, docker_host: str) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("docker") / "root"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        patch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(folder))
        lifecycle.start(folder, runtime="docker", dwell_seconds=0, idle_seconds=3600)
        yield folder
        lifecycle.stop(folder)


@pytest.fixture(scope="module")
def image(base_image: str, docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make an image as a user would have it: Python and pip, and nothing of Azure."""
    import docker

    context = tmp_path_factory.mktemp("context")
    install = ["pip", "install", "--quiet", "--target", str(context / "site"), "pip"]
    Uv(context).run(install, io.StringIO())
    dockerfile = f"FROM {base_image}\nCOPY site {SITE}\n"
    if AUTHORITIES is not None:  # of the network that this machine is in
        shutil.copy(AUTHORITIES, context / "authorities.pem")
        dockerfile += "COPY authorities.pem /authorities.pem\nENV PIP_CERT=/authorities.pem\n"
    (context / "Dockerfile").write_text(dockerfile)
    client = docker.DockerClient(docker_host)
    client.images.build(path=str(context), tag=TAG, network_mode="host")
    client.close()
    return TAG


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a project, and a store for its runs."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield folder
    mlflow.set_tracking_uri(None)


@pytest.fixture
def signed_in_to_registry(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """Give the registry to which `docker login` has signed the user in."""
    registry.sign_in(tmp_path / "docker")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    registry.asked()
    return registry


def image_of_job(run_id: str) -> str:
    """Give the image of the environment that the run's job has in its workspace."""
    handle = handle_of_run(run_id)
    connection = connect(handle.workspace)._connection
    job = connection.arm(
        "GET", f"/jobs/{handle.job_name}", api_version="2024-04-01", doing="reading the job"
    )
    environment = job["properties"]["environmentId"].rpartition("/workspaces/")[2].partition("/")[2]
    found = connection.arm(
        "GET", f"/{environment}", api_version="2024-04-01", doing="reading the environment"
    )
    return str(found["properties"]["image"])


@pytest.mark.campaign
def test_a_project_in_an_image_without_the_plugin_logs_to_its_run(
    emulator_folder: Path,
    image: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [
        mlflow.projects.run(
            str(project),
            backend="azureml",
            backend_config={"workspace": "emulator"},
            parameters={"alpha": 0.25},
        )
        for _ in range(2)
    ]

    assert "in the image of said /opt/python" in capsys.readouterr().out
    client = mlflow.MlflowClient()
    for run in runs:
        assert run.get_status() == "FINISHED"
        assert client.get_run(run.run_id).data.metrics == {"loss": 0.25}
        assert "notes" in [file.path for file in client.list_artifacts(run.run_id)]


@pytest.mark.campaign
def test_an_image_of_this_machine_is_pushed_and_the_job_runs_from_its_digest(
    emulator_folder: Path,
    image: str,
    docker_host: str,
    project: Path,
    signed_in_to_registry: Registry,
) -> None:
    repository = f"{signed_in_to_registry.address}/team/project"
    config = {"workspace": "emulator", "image": {"repository": repository}}
    run = mlflow_run(project, config)
    pushed = image_of_job(run.info.run_id)

    assert re.fullmatch(rf"{re.escape(repository)}@sha256:[0-9a-f]{{64}}", pushed)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"loss": 0.25}
    assert signed_in_to_registry.pushed()

    # From a Dockerfile, on the image that has the plugin now.
    (project / "Dockerfile").write_text(f"FROM {pushed}\nENV OF_THE_DOCKERFILE=1\n")
    config["image"]["build"] = True
    first, second = mlflow_run(project, config), mlflow_run(project, config)
    assert image_of_job(first.info.run_id) == image_of_job(second.info.run_id) != pushed
    signed_in_to_registry.asked()
    (project / "Dockerfile").write_text(f"FROM {pushed}\nENV OF_THE_DOCKERFILE=2\n")
    third = mlflow_run(project, config)
    assert image_of_job(third.info.run_id) != image_of_job(first.info.run_id)
    assert [run.info.status for run in (first, second, third)] == 3 * ["FINISHED"]

    # Another machine's engine has none of it: the emulator pulls by the digest.
    import docker

    client = docker.DockerClient(docker_host)
    newest = client.images.get(image_of_job(third.info.run_id))
    client.images.remove(newest.id, force=True)
    again = EnvironmentSpec(name="e", version="1", image=image_of_job(third.info.run_id))
    assert Images().image_of(client, again, io.StringIO()) == newest.id
    client.close()


def mlflow_run(project: Path, config: dict[str, Any]) -> Any:
    """Run the project with MLflow's command line; gives its run."""
    arguments = ["run", str(project), "--backend", "azureml", "-P", "alpha=0.25"]
    arguments += ["--backend-config", json.dumps(config)]
    before = {run.info.run_id for run in mlflow.MlflowClient().search_runs(["0"])}
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output + str(result.exception)
    [run] = [
        run for run in mlflow.MlflowClient().search_runs(["0"]) if run.info.run_id not in before
    ]
    return run
