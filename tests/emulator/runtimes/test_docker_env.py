"""A project with a docker_env: its image gets the plugin, and runs as a job that logs."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

import mlflow
import pytest

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.runtimes.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

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


def test_a_project_in_an_image_without_the_plugin_logs_to_its_run(
    emulator_folder: Path,
    image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT)
    (project / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
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
    mlflow.set_tracking_uri(None)
