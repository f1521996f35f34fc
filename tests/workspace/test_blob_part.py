"""What blob storage answers to a ranged read, and what others answer in its place."""

from datetime import datetime, timezone

import pytest
from azure.core.exceptions import IncompleteReadError

from mlflow_azureml_backend.errors import UnavailableError
from mlflow_azureml_backend.workspace.blob_part import read_part

BLOB = {"x-ms-blob-type": "AppendBlob", "Last-Modified": "Thu, 01 Jan 2026 12:00:00 GMT"}


class Answer:
    def __init__(self, status, body=b"", headers=None, breaks_after=None):
        self.status_code = status
        self.headers = {**BLOB, **(headers or {})}
        self._body, self._breaks_after = body, breaks_after
        self.taken = 0

    def iter_raw(self):
        for start in range(0, len(self._body), 4):
            if self._breaks_after is not None and start >= self._breaks_after:
                raise IncompleteReadError("broke off")
            self.taken += 4
            yield self._body[start : start + 4]


def test_a_part_comes_with_what_is_known_of_the_whole():
    answer = Answer(206, b"56789", {"Content-Range": "bytes 5-9/20"})
    part = read_part(answer, offset=5, size=5)
    assert (part.data, part.size) == (b"56789", 20)
    assert part.modified == datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(416, b"<Error/>", {"Content-Range": "bytes */20"}),
        Answer(206, b"", {"Content-Range": "bytes */20"}),
    ],
)
def test_there_is_nothing_at_the_end(answer):
    part = read_part(answer, offset=20, size=5)
    assert (part.data, part.size) == (b"", 20)


def test_of_a_whole_blob_only_the_part_is_taken():
    answer = Answer(200, bytes(range(100)), {"Content-Length": "100"})
    part = read_part(answer, offset=10, size=20)
    assert (part.data, part.size) == (bytes(range(10, 30)), 100)
    assert answer.taken <= 32


def test_a_body_that_breaks_off_gives_what_came():
    answer = Answer(206, b"0123456789", {"Content-Range": "bytes 0-9/10"}, breaks_after=8)
    assert read_part(answer, offset=0, size=10).data == b"01234567"
    with pytest.raises(IncompleteReadError):
        read_part(
            Answer(206, b"0123", {"Content-Range": "bytes 0-3/4"}, breaks_after=0),
            offset=0,
            size=4,
        )


def test_the_page_of_a_gateway_is_no_log():
    page = Answer(200, b"<html>Please sign in</html>")
    del page.headers["x-ms-blob-type"]
    with pytest.raises(UnavailableError, match="not blob storage's"):
        read_part(page, offset=0, size=100)


def test_another_part_than_the_one_asked_for_is_refused():
    with pytest.raises(UnavailableError, match="another part"):
        read_part(Answer(206, b"abc", {"Content-Range": "bytes 0-2/9"}), offset=3, size=3)
