"""`download`: everything, once, whole, and never outside the folder."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.errors import NotFoundError, WorkspaceError
from mlflow_azureml_backend.workspace.download import download_files
from mlflow_azureml_backend.workspace.job_download import choose
from mlflow_azureml_backend.workspace.local_file import FileState, is_same, target_of
from mlflow_azureml_backend.workspace.run_files import RunFile
from tests.cli.conftest import LARGE, read_json

if TYPE_CHECKING:
    from pathlib import Path

WHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_artifacts_and_outputs_come_whole_and_are_not_read_again(cli, in_world, tmp_path):
    first = read_json(cli("download", "trained", "--json"))
    folder = tmp_path / "trained"

    assert first["complete"]
    assert {
        "outputs/note.txt",
        "outputs/empty",
        "outputs/deep/large.bin",
        "user_logs/std_log.txt",
        "named-outputs/model/sub/w.txt",
    } <= files_below(folder)
    assert files_below(folder) == {file["path"] for file in first["files"]}
    assert (folder / "outputs/note.txt").read_text() == "a note\n"
    assert (folder / "named-outputs/model/sub/w.txt").read_text() == "weights\n"
    assert (folder / "outputs/deep/large.bin").stat().st_size == LARGE

    (folder / "outputs/note.txt").write_text("anote!\n")  # as long, and another
    again = {
        file["path"]: file for file in read_json(cli("download", "trained", "--json"))["files"]
    }
    assert again.pop("outputs/note.txt")["state"] == "downloaded"
    assert {file["state"] for file in again.values()} == {"present"}
    assert {file["read"] for file in again.values()} == {0}
    assert (folder / "outputs/note.txt").read_text() == "a note\n"


@pytest.mark.slow
def test_a_download_that_broke_off_goes_on_through_trouble(cli, faults, tmp_path):
    chosen = ("download", "trained", "--path", "outputs/deep/large.bin", "--json")
    [whole] = read_json(cli(*chosen, "--dest", "a"))["files"]
    content = (tmp_path / "a/outputs/deep/large.bin").read_bytes()
    folder = tmp_path / "b/outputs/deep"
    folder.mkdir(parents=True)
    part = folder / f"large.bin.{version_of_large()}.part"
    part.write_bytes(content[:5_000_000])
    faults(route="GET *large.bin*", status=503, count=1)
    faults(route="GET *large.bin*", truncate=100, count=1)

    [resumed] = read_json(cli(*chosen, "--dest", "b"))["files"]

    assert (whole["state"], resumed["state"]) == ("downloaded", "resumed")
    assert resumed["read"] == LARGE - 5_000_000
    assert [*folder.iterdir()] == [folder / "large.bin"]
    assert (folder / "large.bin").read_bytes() == content

    # A beginning that is not the file's is thrown away.
    (folder / "large.bin").unlink()
    part.write_bytes(bytes(4_000_000))
    assert read_json(cli(*chosen, "--dest", "b"))["complete"]
    assert (folder / "large.bin").read_bytes() == content


def version_of_large() -> str:
    """Give how the download calls the state of the large file, in its partial file's name."""
    from mlflow_azureml_backend.runs import find_run
    from mlflow_azureml_backend.workspace import connect
    from mlflow_azureml_backend.workspace.run_files import run_files

    connection = connect(find_run("trained").handle.workspace)._connection
    with run_files(connection, "trained") as files:
        [version] = [f.version for f in files.artifacts() if f.path.endswith("large.bin")]
    return hashlib.sha256(version.encode()).hexdigest()[:8]


def test_outputs_alone_are_chosen_by_their_name(in_world, tmp_path):
    found = mlflow_azureml_backend.download("trained", "named-outputs/model", dest=tmp_path / "d")

    assert found.is_complete
    assert files_below(tmp_path / "d") == {"named-outputs/model/sub/w.txt"}


def test_a_path_that_fits_nothing_is_told_with_what_there_is(cli, tmp_path):
    result = cli("download", "trained", "--path", "outputs/nothing")

    assert result.exit_code == 1
    assert "no file 'outputs/nothing'. It has: " in result.stderr
    assert not (tmp_path / "trained").exists()


def test_the_artifacts_of_a_run_have_their_sizes(in_world):
    """Mirroring copies small files only, and the service's own list has no sizes."""
    from mlflow_azureml_backend.workspace import connect

    listed = connect(in_world.workspace).tracked_run("trained").artifacts()
    assert {"path": "outputs/deep/large.bin", "size": LARGE} in listed
    assert [file["path"] for file in listed] == sorted(file["path"] for file in listed)


class Blob:
    """A blob in memory, as azure-storage's client reads it."""

    def __init__(self, content, *, fails=0):
        self.content = content
        self.fails = fails

    def download_blob(self, *, offset, length, **_condition):
        from azure.core.exceptions import ServiceResponseError

        if self.fails:
            self.fails -= 1
            raise ServiceResponseError("the connection broke")
        return Stream(self.content[offset : offset + length])


class Stream:
    def __init__(self, content):
        self.content = content

    def readall(self):
        return self.content


def file(path, content=b"content", *, md5=True, blob=None):
    digest = hashlib.md5(content).digest() if md5 else None
    return RunFile(
        path=path,
        size=len(content),
        version="v1",
        is_fixed=md5,
        md5=digest,
        modified=WHEN,
        blob=lambda: blob or Blob(content),
    )


def no_pause(_seconds):
    pass


def test_one_files_failure_stops_no_other(tmp_path):
    files = [file("a", blob=Blob(b"content", fails=99)), file("b"), file("../c")]
    failed, there, refused = download_files(files, tmp_path, pause=no_pause)

    assert (failed.state, there.state, refused.state) == (
        FileState.FAILED,
        FileState.DOWNLOADED,
        FileState.FAILED,
    )
    assert "connection broke" in failed.error
    assert "leads out of" in refused.error
    assert not (tmp_path.parent / "c").exists()


def test_content_that_is_not_what_storage_has_is_no_file(tmp_path):
    [told] = download_files([file("a", blob=Blob(b"CONTENT"))], tmp_path, pause=no_pause)

    assert "MD5" in told.error
    assert files_below(tmp_path) == set()


def test_a_file_without_a_digest_is_the_same_by_size_and_time(tmp_path):
    log = file("log.txt", md5=False)
    assert download_files([log], tmp_path)[0].state is FileState.DOWNLOADED
    assert download_files([log], tmp_path)[0].state is FileState.PRESENT

    os.utime(tmp_path / "log.txt", (1, 1))
    assert not is_same(tmp_path / "log.txt", log)


def test_the_progress_adds_up_to_the_size(tmp_path):
    counts = []
    files = [file("a", b"x" * 9_000_000), file("b", b""), file("c", b"y" * 10)]
    for _ in range(2):
        counts.clear()
        download_files(files, tmp_path, progress=counts.append)
        assert sum(counts) == 9_000_010


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_the_folder_does_not_lead_out_of_it(tmp_path):
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "link").symlink_to(tmp_path)

    with pytest.raises(WorkspaceError, match="leads out of"):
        target_of("link/x", tmp_path / "dest")


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../b", "..", "", "a/\0"])
def test_paths_that_lead_out_are_refused(path, tmp_path):
    with pytest.raises(WorkspaceError, match="leads out of"):
        target_of(path, tmp_path)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        ([], ["a/b", "a/c.txt", "ab"]),
        (["a"], ["a/b", "a/c.txt"]),
        (["a/"], ["a/b", "a/c.txt"]),
        (["./a/b"], ["a/b"]),
        (["*.txt", "ab"], ["a/c.txt", "ab"]),
    ],
)
def test_a_path_is_a_file_a_folder_or_a_pattern(paths, chosen):
    files = [file("a/b"), file("a/c.txt"), file("ab")]

    assert [each.path for each in choose(files, paths)] == chosen
    with pytest.raises(NotFoundError, match=r"no file 'b'\. It has: a/b, a/c\.txt, ab"):
        choose(files, [*paths, "b"])
