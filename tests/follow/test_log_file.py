"""Bytes arrive in any pieces; lines come out whole, once and in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.follow.log_file import LogFile


class GrowingFile:
    """A file that has more bytes at every look, and counts which of them were read."""

    def __init__(self, content=b"", limit=1 << 30):
        self.content = content
        self.limit = limit
        self.reads = []

    def fetch(self, offset, size):
        piece = self.content[offset : offset + min(size, self.limit)]
        self.reads.append((offset, len(piece)))
        return piece

    def bytes_read(self):
        return [
            position for offset, length in self.reads for position in range(offset, offset + length)
        ]


def lines_of(content, cuts=(), limit=1 << 30):
    """All lines of a file that was seen at these lengths, at most `limit` bytes a request."""
    source = GrowingFile(limit=limit)
    log = LogFile("user_logs/std_log.txt")
    lines = []
    for length in [*sorted(cut % (len(content) + 1) for cut in cuts), len(content)]:
        source.content = content[:length]
        lines += log.read(source.fetch)
    lines += log.finish()
    assert source.bytes_read() == list(range(len(content)))
    assert log.offset == len(content)
    return lines


raw = st.binary(max_size=80)
printed = st.lists(
    st.sampled_from(
        [
            "a",
            "line",
            " ",
            "\n",
            "\r\n",
            "\r",
            "\r10%",
            "é",
            "日本",
            "🙂",
            "\x1b[1m",
            "\t",
            "\u2028",
            "\x0b",
        ]
    ),
    max_size=30,
).map(lambda parts: "".join(parts).encode())


@settings(max_examples=500, deadline=None)
@given(
    content=raw | printed,
    cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=8),
    limit=st.integers(min_value=1, max_value=100),
)
def test_any_cuts_give_the_lines_of_the_whole(content, cuts, limit):
    assert lines_of(content, cuts, limit) == lines_of(content)


@settings(max_examples=200, deadline=None)
@given(raw | printed)
def test_the_lines_are_those_that_a_terminal_would_end_with(content):
    text = content.decode("utf-8", "replace")
    whole = text.split("\n")
    if whole[-1] == "":
        whole.pop()
    expected = [line.removesuffix("\r").split("\r")[-1] for line in whole]
    assert lines_of(content) == expected


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\n", [""]),
        (b" 0%\r 50%\r100%\ndone\n", ["100%", "done"]),
        (b" 0%\r 50%", [" 50%"]),
        (b"\r 0%\r100%\r\n", ["100%"]),
        ("é日🙂\n".encode(), ["é日🙂"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        ("🙂".encode()[:3], ["\ufffd"]),
        ("a\u2028b\x0bc\n".encode(), ["a\u2028b\x0bc"]),
    ],
)
def test_lines_end_where_a_terminal_ends_them(content, lines):
    assert lines_of(content) == lines


def test_a_line_waits_for_its_end():
    source = GrowingFile(b"first\nsec")
    log = LogFile("user_logs/std_log.txt")
    assert list(log.read(source.fetch)) == ["first"]
    assert list(log.read(source.fetch)) == []
    source.content += b"ond\n"
    assert list(log.read(source.fetch)) == ["second"]
    assert list(log.finish()) == []


def test_a_character_that_is_cut_waits_for_its_end():
    source = GrowingFile("é\n".encode()[:1])
    log = LogFile("user_logs/std_log.txt")
    assert list(log.read(source.fetch)) == []
    source.content = "é\n".encode()
    assert list(log.read(source.fetch)) == ["é"]


def test_finishing_twice_gives_the_last_line_once():
    log = LogFile("user_logs/std_log.txt")
    assert list(log.read(GrowingFile(b"last").fetch)) == []
    assert list(log.finish()) == ["last"]
    assert list(log.finish()) == []


def test_a_read_that_fails_is_taken_up_at_the_exact_byte():
    source = GrowingFile(b"one\ntwo\nthree\n", limit=5)
    log = LogFile("user_logs/std_log.txt")

    def fails_at_the_second_request(offset, size):
        if offset:
            raise ConnectionError
        return source.fetch(offset, size)

    lines = []
    with pytest.raises(ConnectionError):
        lines.extend(log.read(fails_at_the_second_request))
    lines += log.read(source.fetch)
    assert source.bytes_read() == list(range(14))
    assert lines in (["two", "three"], ["one", "two", "three"])
    assert "three" in lines
