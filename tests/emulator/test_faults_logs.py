"""Logs as a follower may find them: in fragments, cut off, begun anew; the store stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient

from mlflow_azureml_backend.follow import LogLine
from mlflow_azureml_backend.follow.log_file import LogFile
from mlflow_azureml_backend.job import LogPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.pytest_plugin import Faults

LINES = ["first line", "zweite Zeile: süß, größer", "第三行 🚀", "last"]
LOG = "\n".join([*LINES, ""]).encode()


@pytest.fixture
def log(ask: Any, workspace: Any) -> Iterator[BlobClient]:
    store = ask("GET", "/datastores/workspaceartifactstore").json()["properties"]
    key = ask("POST", "/datastores/workspaceartifactstore/listSecrets").json()["key"]
    with BlobClient(
        f"https://{store['accountName']}.blob.core.windows.net",
        store["containerName"],
        "ExperimentRun/dcid.job/user_logs/std_log.txt",
        credential={"account_name": store["accountName"], "account_key": key},
        proxies={"https": workspace.endpoint.proxy},
        connection_verify=workspace.endpoint.ca_file,
        retry_total=0,
    ) as client:
        client.upload_blob(LOG, overwrite=True)
        yield client


@pytest.fixture
def fetch(log: BlobClient) -> Callable[[int, int], bytes]:
    """Read the log as this package's follower does: from an offset, nothing at its end."""

    def read(offset: int, size: int) -> bytes:
        try:
            return bytes(log.download_blob(offset=offset, length=size).readall())
        except HttpResponseError as error:
            if error.status_code != 416:
                raise
            return b""

    return read


def lines_of(file: LogFile, fetch: Callable[[int, int], bytes]) -> list[str]:
    while file.advance(lambda offset, size: LogPart(data=fetch(offset, size))):
        pass
    lines = [item.text for item in file.pending if isinstance(item, LogLine)]
    file.pending.clear()
    return lines


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11])
def test_a_log_in_fragments_of_any_size_is_read_line_by_line(
    fetch: Callable[[int, int], bytes], faults: Faults, size: int
) -> None:
    faults.add(log_fragments=size)
    file = LogFile("user_logs/std_log.txt")
    assert lines_of(file, fetch) == LINES
    [fault] = faults.list()
    assert fault["struck"] >= len(LOG) / size


def test_each_read_sees_a_fragment_more_and_cuts_through_characters(
    log: BlobClient, faults: Faults
) -> None:
    faults.add(log_fragments=21)
    assert log.get_blob_properties().size == 0
    assert log.download_blob().readall() == LOG[:21]
    assert log.get_blob_properties().size == 21
    with pytest.raises(UnicodeDecodeError):
        LOG[:42].decode()
    assert log.download_blob().readall() == LOG[:42]
    faults.clear()
    assert log.download_blob().readall() == LOG


def test_a_log_is_shorter_than_it_was_and_then_whole_again(
    log: BlobClient, fetch: Callable[[int, int], bytes], faults: Faults
) -> None:
    file = LogFile("user_logs/std_log.txt")
    shown = lines_of(file, lambda offset, size: fetch(offset, min(size, 11)) if not offset else b"")
    faults.add(log_truncated=4)
    assert log.download_blob().readall() == LOG[:4]
    assert log.get_blob_properties().size == 4
    assert lines_of(file, fetch) == []
    faults.clear()
    assert shown + lines_of(file, fetch) == LINES


def test_a_log_begins_anew_when_it_is_full(log: BlobClient, faults: Faults) -> None:
    faults.add(log_rotated=25)
    full = len(LOG) // 25 * 25
    assert log.download_blob().readall() == LOG[full:]
    assert log.get_blob_properties().size == len(LOG) - full
    with pytest.raises(HttpResponseError) as caught:
        log.download_blob(offset=full).readall()
    assert caught.value.status_code == 416
    assert log.download_blob(offset=1, length=2).readall() == LOG[full + 1 : full + 3]


def test_other_blobs_are_not_logs(ask: Any, log: BlobClient, faults: Faults) -> None:
    faults.add(log_fragments=1)
    assert faults.list()[0]["met"] == 0
    log.upload_blob(LOG, overwrite=True)
    ask("GET", "/jobs")
    assert faults.list()[0]["met"] == 0
    assert log.download_blob().readall() == LOG[:1]
    assert faults.list()[0]["met"] == 1
