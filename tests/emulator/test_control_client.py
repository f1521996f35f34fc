"""The unmodified azure-ai-ml client against the emulator, the way its users write it."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AmlCompute,
    AzureBlobDatastore,
    BuildContext,
    Data,
    Environment,
    Model,
)
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "mcr.microsoft.com/azureml/base"
CONDA = "name: x\nchannels: [conda-forge]\ndependencies: [python=3.10, pip]\n"
TRAIN = """
import pathlib, sys
print("reads", pathlib.Path(sys.argv[1]).read_text().strip(), flush=True)
folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.txt").write_text("trained")
pathlib.Path("outputs").mkdir()
pathlib.Path("outputs/note.txt").write_text("noted")
print("last line", flush=True)
"""


@pytest.fixture
def client(signed_in: Any, workspace: Any) -> MLClient:
    credential = ClientSecretCredential(
        signed_in.tenant_id, signed_in.client_id, signed_in.client_secret
    )
    return MLClient(
        credential,
        workspace.subscription_id,
        workspace.resource_group,
        workspace.workspace_name,
        show_progress=False,
    )


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[str], Environment]:
    conda = tmp_path / "conda.yaml"
    conda.write_text(CONDA)
    return lambda name: Environment(name=name, image=IMAGE, conda_file=str(conda))


@pytest.fixture
def table(tmp_path: Path) -> str:
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n")
    return str(file)


@pytest.fixture
def code(tmp_path: Path) -> str:
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "fail.py").write_text("raise SystemExit('this went wrong')\n")
    (folder / "package" / "module.py").write_text("")
    return str(folder)


def test_a_workspace_tells_where_its_services_are(client: MLClient, workspace: Any) -> None:
    found = client.workspaces.get(workspace.workspace_name)

    assert found.id == workspace.arm_id
    assert found.location == "eastus"
    assert found.mlflow_tracking_uri.endswith(workspace.arm_id)
    assert [each.name for each in client.workspaces.list()] == [workspace.workspace_name]


def test_computes_are_made_read_listed_and_deleted(client: MLClient) -> None:
    made = client.compute.begin_create_or_update(
        AmlCompute(name="mine", size="Standard_DS2_v2", max_instances=2)
    ).result()

    assert (made.provisioning_state, made.max_instances) == ("Succeeded", 2)
    assert client.compute.get("cpu-cluster").size == "STANDARD_DS3_V2"
    assert {each.name for each in client.compute.list()} == {"cpu-cluster", "mine"}
    client.compute.begin_delete("mine").result()
    with pytest.raises(ResourceNotFoundError):
        client.compute.get("mine")


def test_datastores_are_made_read_listed_and_deleted(client: MLClient, workspace: Any) -> None:
    key = AccountKeyConfiguration(account_key="c2VjcmV0")
    client.datastores.create_or_update(
        AzureBlobDatastore(
            name="mine", account_name="elsewhere", container_name="c", credentials=key
        )
    )

    assert client.datastores.get_default().name == "workspaceblobstore"
    assert client.datastores.get("workspaceartifactstore").container_name == "azureml"
    found = client.datastores.get("mine", include_secrets=True)
    assert found.credentials.account_key == "c2VjcmV0"
    client.datastores.delete("mine")
    assert "mine" not in {each.name for each in client.datastores.list()}


def test_environments_get_a_next_version_when_they_change(
    client: MLClient, environment: Callable[[str], Environment]
) -> None:
    first = client.environments.create_or_update(environment("mine"))
    same = client.environments.create_or_update(environment("mine"))
    changed = environment("mine")
    changed.image = f"{IMAGE}:changed"
    second = client.environments.create_or_update(changed)

    assert (first.version, same.version, second.version) == ("1", "1", "2")
    assert client.environments.get("mine", label="latest").image == f"{IMAGE}:changed"
    found = client.environments.get("mine", version="1")
    assert found.conda_file["dependencies"] == ["python=3.10", "pip"]
    assert [each.version for each in client.environments.list(name="mine")] == ["2", "1"]
    assert [each.name for each in client.environments.list()] == ["mine"]
    client.environments.archive("mine", version="1")
    assert [each.version for each in client.environments.list(name="mine")] == ["2"]


def test_a_build_context_is_uploaded_and_kept(client: MLClient, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")

    made = client.environments.create_or_update(
        Environment(name="mine", build=BuildContext(path=str(context)))
    )

    assert made.build.dockerfile_path == "Dockerfile"
    assert re.match(r"https://\w+\.blob\.core\.windows\.net/.+/context/$", made.build.path)


def test_data_is_uploaded_registered_and_found_by_label(client: MLClient, table: str) -> None:
    for version in ("1", "2"):
        made = client.data.create_or_update(Data(name="mine", path=table, type="uri_file"))
        assert made.version == version

    found = client.data.get("mine", label="latest")
    assert (found.version, found.type) == ("2", "uri_file")
    assert "/datastores/workspaceblobstore/paths/LocalUpload/" in found.path
    assert [each.version for each in client.data.list(name="mine")] == ["2", "1"]
    assert [(each.name, each.latest_version) for each in client.data.list()] == [("mine", "2")]


def test_models_are_registered_and_downloaded(client: MLClient, table: str, tmp_path: Path) -> None:
    client.models.create_or_update(Model(name="mine", path=table, type="custom_model"))

    client.models.download("mine", version="1", download_path=str(tmp_path / "downloaded"))

    (file,) = (tmp_path / "downloaded").rglob("*.csv")
    assert file.read_text() == Path(table).read_text()


def test_a_job_runs_from_its_upload_to_its_download(
    client: MLClient,
    environment: Callable[[str], Environment],
    code: str,
    table: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = client.jobs.create_or_update(
        command(
            code=code,
            command="python train.py ${{inputs.table}} ${{outputs.model}}",
            environment=environment("mine"),
            inputs={"table": Input(type="uri_file", path=table)},
            outputs={"model": Output(type="uri_folder")},
            compute="cpu-cluster",
            experiment_name="trials",
            tags={"team": "a"},
        )
    )
    assert job.status == "Starting"

    client.jobs.stream(job.name)

    printed = capsys.readouterr().out
    assert "Execution Summary" in printed
    found = client.jobs.get(job.name)
    assert (found.status, found.experiment_name) == ("Completed", "trials")
    assert found.tags["team"] == "a"
    assert [each.name for each in client.jobs.list()] == [job.name]
    client.jobs.download(job.name, download_path=tmp_path / "run")
    client.jobs.download(job.name, download_path=tmp_path / "run", output_name="model")
    run = tmp_path / "run"
    log = (run / "artifacts" / "user_logs" / "std_log.txt").read_text()
    assert log == "reads a,b\n1,2\nlast line\n"
    assert (run / "artifacts" / "outputs" / "note.txt").read_text() == "noted"
    assert (run / "named-outputs" / "model" / "model.txt").read_text() == "trained"


class Shown(io.StringIO):
    """A console that does something when a text appears on it."""

    def __init__(self, awaited: str, then: Callable[[], object]) -> None:
        super().__init__()
        self._awaited, self._then = awaited, then

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._awaited in text:
            self._then()
        return written


def test_streaming_shows_a_line_before_the_job_writes_the_next(
    client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    job = client.jobs.create_or_update(
        command(
            command=f"echo first line; cat {gate}",
            environment=Environment(image=IMAGE),
            compute="cpu-cluster",
        )
    )
    console = Shown("first line", then=lambda: gate.write_text("second line\n"))
    monkeypatch.setattr(sys, "stdout", console)

    client.jobs.stream(job.name)

    assert "Streaming user_logs/std_log.txt" in console.getvalue()
    assert "first line\nsecond line\n" in console.getvalue()


def test_a_job_is_validated_before_it_is_submitted(client: MLClient) -> None:
    good = command(command="true", environment=Environment(image=IMAGE), compute="cpu-cluster")
    bad = command(command="true", compute="cpu-cluster")

    assert client.jobs.validate(good).passed
    assert list(client.jobs.validate(bad).error_messages) == ["component.environment"]


def test_code_of_the_same_content_is_uploaded_once(client: MLClient, code: str) -> None:
    jobs = [
        client.jobs.create_or_update(
            command(
                code=code,
                command="true",
                environment=Environment(image=IMAGE),
                compute="cpu-cluster",
            )
        )
        for _ in range(2)
    ]

    assert jobs[0].name != jobs[1].name
    assert jobs[0].code == jobs[1].code


def test_a_failed_job_says_why(client: MLClient, code: str) -> None:
    job = client.jobs.create_or_update(
        command(
            code=code,
            command="python fail.py",
            environment=Environment(image=IMAGE),
            compute="cpu-cluster",
        )
    )

    with pytest.raises(JobException, match="this went wrong"):
        client.jobs.stream(job.name)
    assert client.jobs.get(job.name).status == "Failed"


def test_a_running_job_is_canceled_once(client: MLClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    job = client.jobs.create_or_update(
        command(
            command=f"echo > {gate}; sleep 1000",
            environment=Environment(image=IMAGE),
            compute="cpu-cluster",
        )
    )
    gate.read_bytes()  # returns when the job has got there

    client.jobs.begin_cancel(job.name).result()

    assert client.jobs.get(job.name).status == "Canceled"
    with pytest.raises(HttpResponseError, match="terminal status"):
        client.jobs.begin_cancel(job.name)


def test_a_deleted_job_is_not_found(client: MLClient) -> None:
    if not hasattr(client.jobs, "begin_delete"):
        pytest.skip("this version of azure-ai-ml cannot delete jobs")
    job = client.jobs.create_or_update(
        command(command="true", environment=Environment(image=IMAGE), compute="cpu-cluster")
    )
    client.jobs.stream(job.name)

    client.jobs.begin_delete(job.name).result()

    with pytest.raises(ResourceNotFoundError, match=f"Job {job.name} not found"):
        client.jobs.get(job.name)


def test_a_job_is_described_anew_and_archived(client: MLClient) -> None:
    if not hasattr(client.jobs, "update"):
        pytest.skip("this version of azure-ai-ml cannot update jobs")
    job = client.jobs.create_or_update(
        command(command="true", environment=Environment(image=IMAGE), compute="cpu-cluster")
    )

    client.jobs.update(job.name, display_name="said anew", tags={"team": "a"})
    client.jobs.archive(job.name)

    assert [each.name for each in client.jobs.list()] == []
    client.jobs.restore(job.name)
    found = client.jobs.get(job.name)
    assert (found.display_name, found.tags["team"]) == ("said anew", "a")
    assert [each.name for each in client.jobs.list()] == [job.name]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"compute": "nothing"}, "Not Found"),
        ({"environment": "nothing:1"}, "No environment exists for name: nothing, version: 1"),
    ],
)
def test_a_job_that_refers_to_nothing_is_refused(
    client: MLClient, wrong: dict[str, str], message: str
) -> None:
    job = {"environment": Environment(image=IMAGE), "compute": "cpu-cluster", **wrong}

    with pytest.raises(ResourceNotFoundError, match=message):
        client.jobs.create_or_update(command(command="true", **job))
