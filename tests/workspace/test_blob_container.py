"""What is uploaded is what was digested, whatever the network and the files do meanwhile."""

import base64
import json
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import certifi
import pytest

from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.errors import (
    ForbiddenError,
    ProjectError,
    QuotaError,
    UnavailableError,
)
from mlflow_azureml_backend.workspace.blob_container import BlobContainer, connections_for
from mlflow_azureml_backend.workspace.blob_pool import blob_pool, open_ahead
from mlflow_azureml_backend.workspace.connection import Access, Connection
from mlflow_azureml_backend.workspace.endpoint import Endpoint
from mlflow_azureml_backend.workspace.file_digests import (
    BLOCK,
    DigestedFile,
    FileState,
    digest_tree,
)
from mlflow_azureml_backend.workspace.snapshot import (
    SnapshotFile,
    list_files,
    read_snapshot,
    upload_snapshot,
)

NAMES = ["a.txt", "empty", "folder/b c#?%.txt", "ü/日本.txt"]


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else name.encode() * 100)
    return root


@pytest.fixture
def faults(workspace, emulator):
    """Let the workspace's storage and services fail."""
    key = f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"

    def add(**fault):
        request(emulator, "POST", "/_emulator/faults", body={**fault, "workspace": key})

    yield add
    request(emulator, "DELETE", f"/_emulator/faults?{urlencode({'workspace': key})}")


@pytest.fixture
def container(opened):
    """Open a container that nobody has written to."""
    connection = opened._connection
    pending = connection.arm(
        "POST",
        f"/codes/{os.urandom(8).hex()}/versions/1/startPendingUpload",
        api_version="2023-04-01",
        body={"pendingUploadType": "TemporaryBlobReference"},
        doing="testing",
    )["blobReferenceForConsumption"]
    url, _, signature = pending["credential"]["sasUri"].partition("?")
    return BlobContainer(connection.endpoint, url, signature, doing="uploading the test")


def content(container, blob):
    answer = container._answered("GET", f"/{blob}", "", {}, b"", threading.Event())
    return answer.data


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"service": "blob", "status": 503, "retry_after": 0, "count": 3},
        {"service": "blob", "status": 429, "retry_after": 0, "count": 3},
        {"service": "blob", "reset": "before", "count": 3},
        {"service": "blob", "reset": "after", "count": 3},
    ],
    ids=["none", "throttled", "too many", "reset before", "reset after"],
)
def test_every_file_arrives_as_it_is_and_once(tree, container, faults, fault):
    files = digest_tree(list_files(tree)).files
    if fault:
        faults(**fault)
    told = []
    container.put_files(files, "project", advance=lambda *more: told.append(more))
    assert container.names("project/") == {f"project/{name}" for name in NAMES}
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    assert [sum(each) for each in zip(*told, strict=True)] == [size, len(files)]
    assert content(container, "project/folder/b%20c%23%3F%25.txt") == b"folder/b c#?%.txt" * 100
    assert content(container, "project/empty") == b""


def test_a_large_file_goes_in_blocks_and_each_alone_is_sent_again(tmp_path, container, faults):
    root = tmp_path / "large"
    root.mkdir()
    data = os.urandom(2 * BLOCK + 5)
    (root / "large.bin").write_bytes(data)
    faults(route="PUT */large.bin", reset="before", skip=1, count=2)
    container.put_files(digest_tree(list_files(root)).files, "project")
    assert content(container, "project/large.bin") == data


@pytest.mark.parametrize("size", [10, BLOCK + 10])
@pytest.mark.parametrize("same_size", [True, False])
def test_a_file_that_changed_since_it_was_digested_is_named_and_not_there(
    tmp_path, container, size, same_size
):
    root = tmp_path / "changing"
    root.mkdir()
    file = root / "file.bin"
    file.write_bytes(b"x" * size)
    files = digest_tree(list_files(root)).files
    file.write_bytes(b"y" * (size if same_size else size + 1))
    with pytest.raises(ProjectError, match=r"file\.bin changed while it was uploaded"):
        container.put_files(files, "project")
    assert container.names("project/") == set()


def test_a_file_that_is_gone_is_named(tree, container):
    files = digest_tree(list_files(tree)).files
    (tree / "a.txt").unlink()
    with pytest.raises(ProjectError, match=r"a\.txt changed while it was uploaded: No such file"):
        container.put_files(files, "project")


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"expired_sas": True}, ForbiddenError), ({"status": 503, "retry_after": 0}, QuotaError)],
)
def test_a_refusal_is_told_without_the_signature(tree, container, faults, fault, error):
    faults(service="blob", **fault)
    with pytest.raises(error, match="Error while uploading the test: ") as caught:
        container.put_files(digest_tree(list_files(tree)).files, "project")
    assert "sig=" not in str(caught.value)
    assert "HTTP" in str(caught.value)


def test_an_upload_that_broke_off_leaves_no_asset_and_is_continued(opened, tree, faults):
    connection = opened._connection
    faults(route="PUT */a.txt", status=403, count=1)
    with pytest.raises(ForbiddenError):
        upload_snapshot(connection, read_snapshot(tree))
    first = upload_snapshot(connection, read_snapshot(tree))
    assert upload_snapshot(connection, read_snapshot(tree)) == first
    path = first.removeprefix(connection.ref.arm_id)
    found = json.dumps(connection.arm("GET", path, api_version="2023-04-01", doing="testing"))
    assert digest_tree(list_files(tree)).digest in found


def test_submissions_of_many_threads_share_connection_token_and_snapshot(opened, tree):
    ids, errors = [], []

    def submit():
        try:
            ids.append(upload_snapshot(opened._connection, read_snapshot(tree)))
        except Exception as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(ids)) == 1


@pytest.fixture
def many(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "many"
    root.mkdir()
    for number in range(12):
        (root / f"file {number}.bin").write_bytes(os.urandom(9_000))
    return root


def received(workspace, emulator):
    query = urlencode({"workspace": workspace.arm_id, "limit": 1000})
    entries = request(emulator, "GET", f"/_emulator/journal?{query}")["entries"]
    return [e["received"] for e in entries if ".blob." in e["host"] and e["method"] == "PUT"]


@pytest.mark.parametrize("copies", ["copied", "signature has ended", "in conflict"])
def test_of_a_changed_project_only_what_changed_travels(
    opened, many, workspace, emulator, faults, copies
):
    connection = opened._connection
    upload_snapshot(connection, read_snapshot(many))
    before = sum(received(workspace, emulator))
    assert before >= 12 * 9_000
    (many / "file 3.bin").write_bytes(os.urandom(9_000))
    if copies == "in conflict":  # with something else than a blob of that name
        faults(route="PUT */*4.bin", status=409, count=1)
    if copies == "signature has ended":
        for container in connection._answers._known.copy():
            if container[0] == "pending":
                signed = connection._answers._known[container][1]["credential"]
                signed["sasUri"] = signed["sasUri"].replace("sig=", "sig=x")
    second = upload_snapshot(connection, read_snapshot(many))
    travelled = sum(received(workspace, emulator)) - before
    least = {"copied": 9_000, "in conflict": 2 * 9_000, "signature has ended": 12 * 9_000}[copies]
    assert travelled >= least
    if copies == "copied":
        assert travelled < 10_000
    uri = connection.arm(
        "GET", second.removeprefix(connection.ref.arm_id), api_version="2023-04-01", doing="x"
    )["properties"]["codeUri"]
    name = str(uri).rstrip("/").rsplit("/", 2)[1]
    store = next(iter(_containers(connection, name)))
    assert {blob.removeprefix("project/") for blob in store.names("project/")} == {
        file.name for file in many.iterdir()
    }
    assert content(store, "project/file%204.bin") == (many / "file 4.bin").read_bytes()
    assert content(store, "project/file%203.bin") == (many / "file 3.bin").read_bytes()


def _containers(connection, name):
    for _, answer in list(connection._answers._known.values()):
        if isinstance(answer, dict) and "blobUri" in answer and answer["blobUri"].endswith(name):
            url, _, signature = answer["credential"]["sasUri"].partition("?")
            yield BlobContainer(connection.endpoint, url, signature, doing="testing")


def test_storage_and_services_whose_certificate_nobody_trusts_are_not_spoken_to(opened, tree):
    known = opened._connection.endpoint
    stranger = replace(
        known, client_arguments={**known.client_arguments, "connection_verify": certifi.where()}
    )
    container = BlobContainer(stranger, "https://account.blob.core.windows.net/c", "", doing="it")
    with pytest.raises(UnavailableError, match="certificate is not trusted"):
        container.put_files(digest_tree(list_files(tree)).files, "project")
    access = Access(stranger)
    access.credential = opened._connection.credential
    with pytest.raises(UnavailableError, match="certificate is not trusted"):
        Connection(opened.ref, stranger, access=access).json(
            "GET", "https://management.azure.com/", doing="asking", brief=True
        )


def test_a_proxy_is_told_who_asks_and_what_it_says_is_told():
    heads = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            client, _ = listener.accept()
            with client:
                heads.append(client.recv(4096).decode())
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

        proxy = threading.Thread(target=refuse)
        proxy.start()
        address = f"http://me:p%40ss@127.0.0.1:{listener.getsockname()[1]}"
        pool = blob_pool(Endpoint(client_arguments={"proxies": {"https": address}}), "https://a.b/")
        with pytest.raises(OSError, match="407 Who are you"):
            pool.request("GET", "https://a.b/c", body=b"", headers={}, retries=False)
        proxy.join()
    assert heads[0].startswith("CONNECT a.b:443 ")
    assert f"Basic {base64.b64encode(b'me:p@ss').decode()}" in heads[0]


@pytest.mark.parametrize(
    ("small", "blocks", "connections"),
    [(1, 0, 1), (6, 0, 1), (7, 0, 4), (2_000, 0, 32), (0, 6, 1), (0, 120, 8), (9, 120, 13)],
)
def test_so_many_connections_are_worth_opening(small, blocks, connections):
    state = FileState.of(Path(__file__).stat())
    file = SnapshotFile(path=Path(__file__), name="file")
    one = DigestedFile(file=file, state=state._replace(size=10), blocks=(b"md5",))
    large = DigestedFile(
        file=file, state=state._replace(size=blocks * BLOCK), blocks=(b"md5",) * blocks
    )
    assert connections_for([one] * small + [large] * bool(blocks)) == connections


def test_connections_that_were_opened_ahead_are_the_ones_that_are_used(opened, container):
    endpoint, pool = opened._connection.endpoint, container._pool
    asked = []
    open_one = pool._opened
    pool._opened = lambda name: asked.append(name) or open_one(name)
    try:
        open_ahead(endpoint, container.url, 3)
        open_ahead(endpoint, container.url, 3)
        for _ in range(4):
            assert container.names("project/") == set()
    finally:
        del pool._opened
    assert asked == [urlsplit(container.url).netloc] * 3


def test_a_connection_that_could_not_be_opened_ahead_is_tried_again(opened, tree):
    endpoint = opened._connection.endpoint
    url = "https://nobody.dfs.core.windows.net/c"
    open_ahead(endpoint, url, 1)
    with pytest.raises(OSError, match="Tunnel connection failed: 403"):
        blob_pool(endpoint, url).request("GET", url, body=b"", headers={}, retries=False)


def test_a_connection_that_the_service_has_left_is_opened_anew(tree, container):
    files = digest_tree(list_files(tree)).files
    container.put_files(files[:1], "project")
    host = container._pool._hosts[urlsplit(container.url).netloc]
    for connection in host.idle:
        connection.sock.shutdown(socket.SHUT_RDWR)
    began = time.monotonic()
    assert container.names("project/") == {"project/a.txt"}
    assert time.monotonic() - began < 0.3, "it waited as for a service that is busy"
