"""A digest that is remembered is the one that reading everything would give."""

import os
import random
import shutil

import pytest

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.workspace import digest_cache, file_digests
from mlflow_azureml_backend.workspace.digest_cache import DigestCache
from mlflow_azureml_backend.workspace.file_digests import digest_tree
from mlflow_azureml_backend.workspace.snapshot import list_files

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is remembered there")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    for number in range(5):
        file = folder / f"folder{number % 2}" / f"file{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * number)
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def cache(root, tmp_path):
    return DigestCache(root, folder=tmp_path / "cache")


@pytest.fixture
def read(monkeypatch):
    """Tell which files are read."""
    names = []
    whole = file_digests._read

    def noting(file, *rest):
        names.append(file.name)
        return whole(file, *rest)

    monkeypatch.setattr(file_digests, "_read", noting)
    return names


def settle(monkeypatch, seconds=10):
    """Let the files have been written a while ago: their times of change cannot be set."""
    now = digest_cache.time.time_ns() + seconds * 1_000_000_000
    monkeypatch.setattr(digest_cache.time, "time_ns", lambda: now)


def test_what_did_not_change_is_not_read_again(root, cache, read, monkeypatch):
    settle(monkeypatch)
    first = cache.digested(list_files(root))
    assert len(read) == 6
    read.clear()
    assert cache.digested(list_files(root)) == first
    assert read == []
    assert first.digest == digest_tree(list_files(root)).digest


def test_a_file_that_was_written_just_now_is_read_again(root, cache, read, monkeypatch):
    first = cache.digested(list_files(root))
    read.clear()
    assert cache.digested(list_files(root)) == first
    assert sorted(read) == [f"folder{n % 2}/file{n}.txt" for n in (0, 2, 4, 1, 3)]
    settle(monkeypatch)
    cache.digested(list_files(root))
    read.clear()
    cache.digested(list_files(root))
    assert read == []


def test_an_edit_of_the_same_size_and_time_is_noticed(root, cache, monkeypatch):
    file = root / "folder0" / "file2.txt"
    settle(monkeypatch)
    before = file.stat()
    first = cache.digested(list_files(root))
    file.write_bytes(b"yy")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    second = cache.digested(list_files(root))
    assert second.digest != first.digest
    assert second == digest_tree(list_files(root))


def test_an_edit_within_the_same_tick_of_the_clock_is_noticed(root, cache):
    file = root / "folder0" / "file2.txt"
    cache.digested(list_files(root))
    document = digest_cache.json.loads(cache._file.read_text())
    file.write_bytes(b"yy")
    # As if the clock had not moved: the state that is remembered is the one of now.
    entry = document["files"]["folder0/file2.txt"]
    entry[:5] = list(file_digests.FileState.of(file.stat()))
    cache._file.write_text(digest_cache.json.dumps(document))
    assert cache.digested(list_files(root)) == digest_tree(list_files(root))


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"format": 0}', '{"format": 1, "files": {"folder0/file0.txt": [1]}}']
)
def test_a_broken_memory_is_none(root, cache, broken):
    cache.digested(list_files(root))
    cache._file.write_text(broken)
    assert cache.digested(list_files(root)) == digest_tree(list_files(root))


def test_a_memory_that_cannot_be_written_costs_nothing_else(root, tmp_path):
    (tmp_path / "file").touch()
    cache = DigestCache(root, folder=tmp_path / "file" / "cache")
    assert cache.digested(list_files(root)) == digest_tree(list_files(root))


def test_a_file_that_changes_while_it_is_read_is_named(root, monkeypatch):
    file, states = root / "folder0" / "file2.txt", iter(range(1000))
    of = file_digests.FileState.of
    monkeypatch.setattr(
        file_digests.FileState, "of", lambda found: of(found)._replace(changed=next(states))
    )
    with pytest.raises(ProjectError, match="changed while it was uploaded: its content is another"):
        digest_tree([each for each in list_files(root) if each.path == file])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_a_folder_its_digest_is_that_of_reading_it(root, cache, seed):
    happen(root, cache, random.Random(seed), steps=15)


@pytest.mark.campaign
def test_thousands_of_histories_of_folders_have_the_digests_of_reading_them(root, tmp_path):
    for seed in range(300):
        cache = DigestCache(root, folder=tmp_path / f"cache{seed}")
        happen(root, cache, random.Random(seed), steps=15)


def happen(root, cache, chance, *, steps):
    for _ in range(steps):
        files = sorted(path for path in root.rglob("*") if path.is_file())
        what = chance.choice(["edit", "add", "remove", "touch", "move", "swap", "nothing", "back"])
        if what == "add" or len(files) < 3:
            (root / f"new{chance.randrange(6)}").write_bytes(chance.randbytes(chance.randrange(3)))
            continue
        one, other = chance.sample(files, 2)
        before = one.stat()
        if what == "edit":
            one.write_bytes(chance.randbytes(before.st_size))
        elif what == "back":
            one.write_bytes(chance.randbytes(before.st_size))
            os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif what == "remove":
            one.unlink()
        elif what == "touch":
            os.utime(one)
        elif what == "move":
            one.replace(other)
        elif what == "swap":
            third = root / "third"
            shutil.move(one, third)
            shutil.move(other, one)
            shutil.move(third, other)
        assert cache.digested(list_files(root)).digest == digest_tree(list_files(root)).digest


def test_what_is_remembered_already_is_not_written_again(root, cache, monkeypatch):
    settle(monkeypatch)
    cache.digested(list_files(root))
    before = cache._file.stat()
    os.utime(cache._file, ns=(0, 0))
    cache.digested(list_files(root))
    after = cache._file.stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime_ns >= before.st_mtime_ns  # and it is not the first one to be forgotten
