"""Documents and blobs on disk: nothing is lost, nothing is half done, nothing leaves its folder."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlflow_azureml_backend.emulator.blob_info import BlobAddress
from mlflow_azureml_backend.emulator.blob_store import BlobStore
from mlflow_azureml_backend.emulator.byte_range import requested_range
from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.sas import verified_access
from mlflow_azureml_backend.emulator.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = ("account", "files")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    found = BlobStore(tmp_path / "blobs", lambda account: account.encode() * 9)
    yield found
    found.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = State(tmp_path / "state.db")
    yield found
    found.close()


@given(
    account=st.text(max_size=30),
    container=st.text(max_size=70),
    name=st.text(max_size=1100) | st.sampled_from(["../x", "/etc/passwd", "..", "C:\\x", "a/../b"]),
)
def test_no_name_leads_out_of_the_folder_of_the_blobs(
    tmp_path_factory: pytest.TempPathFactory, account: str, container: str, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "blobs"
    for place in ((account, container), PLACE, (account, "files"), ("account", container)):
        try:
            file = BlobAddress(*place, name).file(root)
        except (BlobError, UnicodeEncodeError):
            continue
        assert file.resolve().is_relative_to((root / place[0] / place[1]).resolve())
        assert file.relative_to(root).parts[:2] == place


def test_names_that_differ_in_case_or_nesting_are_different_blobs(store: BlobStore) -> None:
    names = ["a", "A", "a/b", "a//b", "a/b/", " a", "ä", "x" * 1024]
    for name in names:
        store.write(*PLACE, name, name.encode())
    for name in names:
        assert store.register(*PLACE, name).read_bytes() == name.encode()
    assert [info.name for info in store.list(*PLACE)] == sorted(names)
    assert [info.name for info in store.list(*PLACE, "a/")] == ["a//b", "a/b", "a/b/"]


def test_a_blob_is_described_as_it_was_written(store: BlobStore) -> None:
    info = store.write(*PLACE, "b", [b"con", b"tent"], metadata={"k": "v"}, content_type="a/b")
    assert info == store.info(*PLACE, "b")
    assert (info.size, info.content_type, info.metadata) == (7, "a/b", {"k": "v"})
    assert info.content_md5 == base64.b64encode(hashlib.md5(b"content").digest()).decode()
    assert store.delete(*PLACE, "b")
    assert not store.delete(*PLACE, "b")
    assert store.info(*PLACE, "b") is None


def test_a_write_that_fails_leaves_the_former_blob(store: BlobStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    store.write(*PLACE, "b", b"whole")
    with pytest.raises(ConnectionError):
        store.write(*PLACE, "b", broken())
    with pytest.raises(BlobError, match="Md5Mismatch"):
        store.write(*PLACE, "b", b"other", content_md5="XUFAKrxLKna5cZ2REBfFkg==")
    assert store.register(*PLACE, "b").read_bytes() == b"whole"
    assert not list((tmp_path / "blobs" / ".incoming").iterdir())


KILLED = """
import os, pathlib, shutil, sys
from mlflow_azureml_backend.emulator.blob_files import BlobFiles
from mlflow_azureml_backend.emulator.blob_info import BlobAddress

files = BlobFiles(pathlib.Path(sys.argv[1]))
replace = os.replace

def die_after_moving(file, target):
    replace(file, target)
    os._exit(9)

def die_half_way(source, target, length):
    target.write(source.read()[:3])
    target.flush()
    os._exit(9)

os.replace = die_after_moving
shutil.copyfileobj = die_half_way
address = BlobAddress("account", "container", "b")
if sys.argv[2] == "put":
    files.put(address, [b"other"], content={})
else:
    files.extend(address, [b"second"], content_md5=None, check=lambda *_: None)
"""


def test_blobs_that_an_older_version_wrote_are_read_and_replaced(tmp_path: Path) -> None:
    place = ("account", "container", "b")
    root = tmp_path / "blobs"
    file = BlobAddress(*place).file(root)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"old")
    with closing(sqlite3.connect(root / "index.db")) as index:
        index.executescript(
            "CREATE TABLE blobs (account TEXT, container TEXT, name TEXT, content TEXT, "
            "metadata TEXT, append INTEGER, revision INTEGER, created REAL, modified REAL, "
            "PRIMARY KEY (account, container, name)) WITHOUT ROWID;"
            "INSERT INTO blobs VALUES ('account', 'container', 'b', '{}', '{}', 0, 7, 1.0, 1.0);"
        )
    for _ in range(2):
        store = BlobStore(root, str.encode)
        info = store.info(*place)
        assert info is not None
        assert info.file.read_bytes() == b"old"
        store.close()
    store = BlobStore(root, str.encode)
    assert store.write(*place, b"new").file.read_bytes() == b"new"
    store.close()


@pytest.mark.parametrize("change", ["put", "extend"])
def test_a_change_that_was_cut_off_by_the_end_of_the_emulator_did_not_happen(
    tmp_path: Path, change: str
) -> None:
    place = ("account", "container", "b")
    store = BlobStore(tmp_path / "blobs", str.encode)
    former = store.write(*place, b"first")
    store.close()

    command = [sys.executable, "-c", KILLED, str(tmp_path / "blobs"), change]
    assert subprocess.run(command, check=False).returncode == 9

    store = BlobStore(tmp_path / "blobs", str.encode)
    store.files.discard_unfinished()
    info = store.info(*place)
    assert info is not None
    assert (info.file.read_bytes(), info.content_md5) == (b"first", former.content_md5)
    _, info = store.files.extend(
        BlobAddress(*place), [b", second"], content_md5=None, check=lambda *_: None
    )
    assert info.file.read_bytes() == b"first, second"
    store.close()


def test_a_reader_who_was_told_of_a_blob_reads_it_although_it_is_replaced(
    store: BlobStore,
) -> None:
    told = store.write(*PLACE, "b", b"first")
    store.write(*PLACE, "b", b"second")
    assert told.file.read_bytes() == b"first"
    assert store.register(*PLACE, "b").read_bytes() == b"second"


def test_of_many_who_create_a_blob_one_succeeds(store: BlobStore) -> None:
    barrier = threading.Barrier(8)

    def create(number: int) -> str:
        barrier.wait()
        try:
            store.write(*PLACE, "b", str(number).encode(), if_none_match=True)
        except BlobError as error:
            return error.code
        return "created"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))
    assert outcomes == ["BlobAlreadyExists"] * 7 + ["created"]


def test_a_registered_blob_is_empty_and_grows_with_its_file(store: BlobStore) -> None:
    file = store.register(*PLACE, "log", append=True, content_type="text/plain")
    first = store.info(*PLACE, "log")
    with file.open("ab") as log:
        log.write(b"line\n")
    assert store.register(*PLACE, "log", append=True) == file
    second = store.info(*PLACE, "log")
    assert first is not None
    assert second is not None
    assert (first.size, second.size, second.append) == (0, 5, True)
    assert first.etag != second.etag
    assert first.created == second.created


def test_blobs_and_containers_are_there_after_a_restart(tmp_path: Path) -> None:
    for attempt in range(2):
        store = BlobStore(tmp_path, lambda account: account.encode() * 9)
        if not attempt:
            store.write(*PLACE, "b", b"content", metadata={"k": "v"})
        found = store.info(*PLACE, "b")
        assert found is not None
        assert found.metadata == {"k": "v"}
        assert store.create_container(*PLACE) is False
        store.close()


def test_a_signed_url_is_a_production_url_that_opens_its_blob(store: BlobStore) -> None:
    url = urlsplit(store.sas_url(*PLACE, "a b/ü.txt", permissions="r", lifetime=timedelta(hours=1)))
    assert (url.scheme, url.hostname) == ("https", "account.blob.core.windows.net")
    assert url.path == "/files/a%20b/%C3%BC.txt"
    query = dict(parse_qsl(url.query))
    key = store.account_key("account")
    assert verified_access(query, "account", "files", "a b/ü.txt", key).permissions == "r"
    assert store.container_created(*PLACE) is not None


@given(start=st.integers(0, 39), end=st.none() | st.integers(0, 50), size=st.integers(1, 40))
def test_a_range_is_what_python_slices(start: int, end: int | None, size: int) -> None:
    assume(start < size and (end is None or end >= start))
    found = requested_range(f"bytes={start}-{'' if end is None else end}", size)
    content = bytes(range(size))
    stop = size if end is None else min(end + 1, size)
    assert found is not None
    assert content[found.start : found.start + found.length] == content[start:stop]
    assert found.content_range == f"bytes {start}-{stop - 1}/{size}"


@given(start=st.integers(0, 50), size=st.integers(0, 40))
def test_a_range_that_begins_after_the_end_is_refused(start: int, size: int) -> None:
    assume(start >= size)
    with pytest.raises(BlobError, match="416 InvalidRange") as refused:
        requested_range(f"bytes={start}-", size)
    assert refused.value.headers["Content-Range"] == f"bytes */{size}"


@given(header=st.none() | st.text())
def test_no_range_is_ever_misread(header: str | None) -> None:
    found = requested_range(header, 10) if header != "bytes=10-" else None
    assert found is None or 0 <= found.start < found.start + found.length <= 10


def test_a_document_is_created_once_and_then_replaced(state: State) -> None:
    assert state.put("job", "w", "n", "", {"a": 1}) is True
    created = state.get("job", "w", "n")
    assert state.put("job", "w", "n", "", {"a": 2}) is False
    replaced = state.get("job", "w", "n")
    assert created is not None
    assert replaced is not None
    assert replaced.body == {"a": 2}
    assert replaced.created == created.created
    assert replaced.modified >= created.modified
    assert state.delete("job", "w", "n") is True
    assert state.delete("job", "w", "n") is False
    assert state.get("job", "w", "n") is None


def test_documents_are_listed_with_the_newest_first(state: State) -> None:
    for name, version in (("one", "1"), ("two", "1"), ("one", "2")):
        state.put("data", "w", name, version, {})
    state.put("data", "elsewhere", "one", "3", {})
    state.put("data", "w", "one", "1", {"replaced": True})
    listed = [(document.name, document.version) for document in state.list("data", "w")]
    assert listed == [("one", "2"), ("two", "1"), ("one", "1")]
    assert [document.version for document in state.list("data", "w", "one")] == ["2", "1"]


def test_no_update_of_many_is_lost(state: State) -> None:
    state.put("counter", "w", "n", "", {"count": 0})

    def increment(_: int) -> None:
        state.update("counter", "w", "n", "", lambda body: {"count": body["count"] + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(200)))
    document = state.get("counter", "w", "n")
    assert document is not None
    assert document.body == {"count": 200}


def test_an_update_that_fails_or_declines_changes_nothing(state: State) -> None:
    def fail(body: dict[str, int]) -> dict[str, int]:
        state.put("job", "w", "other", "", {})
        raise ValueError(body)

    state.put("job", "w", "n", "", {"a": 1})
    with pytest.raises(ValueError, match="a"):
        state.update("job", "w", "n", "", fail)
    assert state.update("job", "w", "n", "", lambda _: None).body == {"a": 1}
    assert state.get("job", "w", "other") is None
    with pytest.raises(KeyError):
        state.update("job", "w", "missing", "", lambda body: body)
