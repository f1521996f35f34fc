"""The journal: who asked what, how it was answered, and never with which secrets."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.emulator.journal import Entry, Journal, read_closed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow_azureml_backend.pytest_plugin import Faults

ARM_ID = (
    "/subscriptions/s/resourcegroups/g/providers/microsoft.machinelearningservices/workspaces/w"
)


def entry(path: str = "/", **facts: Any) -> Entry:
    given = {"time": 1.0, "client": "tests", "method": "GET", "host": "management.azure.com"}
    return Entry(**{**given, **facts}, path=path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "journal.db", most=100)
    yield found
    found.close()


def entries_of(workspace: Any, **filters: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    page = request(
        workspace.endpoint, "GET", f"/_emulator/journal?workspace={workspace.arm_id}&{query}"
    )
    return list(page["entries"])


def test_what_was_written_is_read_in_order_with_numbers(journal: Journal) -> None:
    written = [entry(f"/{index}", status=200, faults=("slow 1",)) for index in range(5)]
    for each in written:
        journal.write(each)
    read = journal.read()
    assert [each.number for each in read] == [1, 2, 3, 4, 5]
    assert [each.path for each in read] == [each.path for each in written]
    assert read[0].faults == ("slow 1",)


def test_pages_follow_one_another(journal: Journal) -> None:
    for index in range(10):
        journal.write(entry(f"/{index}"))
    assert [each.path for each in journal.read(limit=3)] == ["/7", "/8", "/9"]
    assert [each.path for each in journal.read(since=4, limit=3)] == ["/4", "/5", "/6"]
    assert journal.read(since=10) == []


def test_entries_are_chosen_by_workspace_and_client(journal: Journal) -> None:
    journal.write(entry("/a", workspace=ARM_ID, client="azsdk-python-AI-ml"))
    journal.write(entry("/b", client="azsdk-python-ai-ml"))
    journal.write(entry("/c", host=f"{_account()}.blob.core.windows.net", client="storage"))
    assert [each.path for each in journal.read(workspace=ARM_ID)] == ["/a", "/c"]
    assert [each.path for each in journal.read(client="ai-ML")] == ["/a", "/b"]
    assert journal.read(client="100%") == []


def _account() -> str:
    from mlflow_azureml_backend.emulator.faults.scope import storage_account_of

    return storage_account_of(ARM_ID)


def test_the_oldest_entries_are_forgotten(journal: Journal) -> None:
    for index in range(1, 351):
        journal.write(entry(f"/{index}"))
        if index % 50 == 0:
            journal.flush()
    read = journal.read(limit=1000)
    assert [each.number for each in read] == list(range(251, 351))


def test_entries_of_many_threads_are_all_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")

    def write() -> None:
        for index in range(500):
            journal.write(entry(f"/{index}"))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.read(limit=10_000)) == 4000
    journal.close()


def test_numbers_go_on_where_the_last_emulator_stopped(tmp_path: Path) -> None:
    for _ in range(2):
        journal = Journal(tmp_path / "journal.db")
        journal.write(entry())
        journal.close()
    assert [each.number for each in read_closed(tmp_path / "journal.db")] == [1, 2]
    assert read_closed(tmp_path / "none.db") == []


def test_a_request_is_written_down_with_its_sizes(ask: Any, workspace: Any) -> None:
    body = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
    answer = ask("PUT", "/environments/noted/versions/1", body)
    [found] = [each for each in entries_of(workspace) if each["method"] == "PUT"]
    assert found["host"] == "management.azure.com"
    assert found["path"] == f"{workspace.arm_id}/environments/noted/versions/1"
    assert found["route"].endswith("/environments/{name}/versions/{version}")
    assert found["workspace"] == workspace.arm_id.lower()
    assert found["status"] == answer.status_code == 201
    assert found["received"] == len(json.dumps(body))
    assert found["sent"] == len(answer.content)
    assert found["client"].startswith("python-requests/")
    assert 0 < found["seconds"] < 60


def test_faults_and_refusals_are_written_down_too(
    ask: Any, workspace: Any, history: str, faults: Faults
) -> None:
    faults.add(route="GET */jobs", status=429, count=1)
    faults.add(route="GET */jobs", reset="before", count=1)
    ask("GET", "/jobs")
    with pytest.raises(requests.ConnectionError):
        ask("GET", "/jobs")
    ask("GET", f"{history}/nothing")
    found = [
        (each["path"].rpartition("/")[2], each["status"], each["faults"])
        for each in entries_of(workspace)
    ]
    assert found == [
        ("jobs", 429, ["status 429"]),
        ("jobs", None, ["reset before"]),
        ("nothing", 501, []),
    ]


def test_blobs_belong_to_their_workspace_and_signatures_are_not_kept(
    ask: Any, workspace: Any
) -> None:
    body = {"pendingUploadType": "TemporaryBlobReference"}
    answer = ask("POST", "/codes/c/versions/1/startPendingUpload", body).json()
    uri, _, query = answer["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": workspace.endpoint.proxy}
        session.verify = workspace.endpoint.ca_file
        sent = session.put(
            f"{uri}/file?{query}", data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30
        )
    assert sent.status_code == 201
    [found] = [each for each in entries_of(workspace) if "blob.core" in each["host"]]
    assert (found["method"], found["status"], found["received"]) == ("PUT", 201, 1)
    assert "sig" not in json.dumps(found)


def test_reading_the_journal_is_not_written_into_it(workspace: Any) -> None:
    before = request(workspace.endpoint, "GET", "/_emulator/journal?limit=1")["next"]
    request(workspace.endpoint, "GET", "/_emulator/journal")
    request(workspace.endpoint, "GET", "/_emulator/status")
    after = request(workspace.endpoint, "GET", f"/_emulator/journal?since={before}")["entries"]
    assert "/_emulator/journal" not in [each["path"] for each in after]
    assert "/_emulator/status" in [each["path"] for each in after]


def test_the_command_line_prints_it(ask: Any, workspace: Any) -> None:
    ask("GET", "/jobs")
    names = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"
    arguments = ["emulator", "journal", "--workspace", names, "--client", "requests"]
    [line] = CliRunner().invoke(main, arguments).output.splitlines()
    assert f"200  GET     management.azure.com{workspace.arm_id}/jobs" in line
    [line] = CliRunner().invoke(main, [*arguments, "--json", "--limit", "1"]).output.splitlines()
    assert json.loads(line)["path"].endswith("/jobs")
    wrong = CliRunner().invoke(main, ["emulator", "journal", "--workspace", "w"])
    assert wrong.exit_code == 1
    assert "SUBSCRIPTION/GROUP/WORKSPACE, not 'w'" in wrong.output


def test_it_can_be_read_when_the_emulator_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(root))
    endpoint = lifecycle.start(root, runtime="host", idle_seconds=60)
    request(endpoint, "GET", "/_emulator/status")
    lifecycle.stop(root)
    result = CliRunner().invoke(main, ["emulator", "journal"])
    assert result.exit_code == 0
    assert "/_emulator/status" in result.output


def test_its_file_stays_small(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", most=1000)
    sizes: list[int] = []
    for index in range(1, 20_001):
        journal.write(entry(f"/{'x' * 200}/{index}"))
        if index % 1000 == 0:
            journal.flush()
            sizes.append((tmp_path / "journal.db").stat().st_size)
    journal.close()
    assert sizes[-1] < 1_500_000 < 200 * 20_000
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM requests").fetchone()[0] <= 1100
