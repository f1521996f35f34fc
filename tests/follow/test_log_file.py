"""Bytes arrive in any pieces; lines come out whole, once and in order."""

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.follow import LineKind, LogSelection
from mlflow_azureml_backend.follow.log_file import LogFile
from mlflow_azureml_backend.follow.log_lines import LONGEST
from mlflow_azureml_backend.job import LogPart


class GrowingFile:
    """A file that has more bytes at every look, and counts which of them were read."""

    def __init__(self, content=b"", limit=1 << 30):
        self.content = content
        self.limit = limit
        self.reads = []
        self.facts = {}

    def read(self, offset, size):
        piece = self.content[offset : offset + min(size, self.limit)]
        self.reads.append((offset, len(piece)))
        return LogPart(data=piece, size=len(self.content), **self.facts)

    def bytes_read(self):
        return [
            position for offset, length in self.reads for position in range(offset, offset + length)
        ]


def taken(log):
    texts = [item if isinstance(item, str) else item.text for item in log.pending]
    log.pending.clear()
    return texts


def new_lines(log, source):
    """Read a log to its present end, and give the new lines."""
    while log.advance(source.read):
        pass
    return taken(log)


def rest(log):
    log.finish()
    return taken(log)


def lines_of(content, cuts=(), limit=1 << 30):
    """All lines of a file that was seen at these lengths, at most `limit` bytes a request."""
    source = GrowingFile(limit=limit)
    log = LogFile("user_logs/std_log.txt")
    lines = []
    for length in [*sorted(cut % (len(content) + 1) for cut in cuts), len(content)]:
        source.content = content[:length]
        lines += new_lines(log, source)
    lines += rest(log)
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


@settings(max_examples=150, deadline=None)
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
    assert new_lines(log, source) == ["first"]
    assert new_lines(log, source) == []
    source.content += b"ond\n"
    assert new_lines(log, source) == ["second"]
    assert rest(log) == []


def test_a_character_that_is_cut_waits_for_its_end():
    source = GrowingFile("é\n".encode()[:1])
    log = LogFile("user_logs/std_log.txt")
    assert new_lines(log, source) == []
    source.content = "é\n".encode()
    assert new_lines(log, source) == ["é"]


def test_finishing_twice_gives_the_last_line_once():
    log = LogFile("user_logs/std_log.txt")
    assert new_lines(log, GrowingFile(b"last")) == []
    assert rest(log) == ["last"]
    assert rest(log) == []


def test_a_read_that_fails_is_taken_up_at_the_exact_byte():
    source = GrowingFile(b"one\ntwo\nthree\n", limit=5)
    log = LogFile("user_logs/std_log.txt")

    def fails_at_the_second_request(offset, size):
        if offset:
            raise ConnectionError
        return source.read(offset, size)

    assert log.advance(fails_at_the_second_request)
    with pytest.raises(ConnectionError):
        log.advance(fails_at_the_second_request)
    assert new_lines(log, source) == ["one", "two", "three"]
    assert source.bytes_read() == list(range(14))


def test_the_end_is_known_by_the_size_without_another_request():
    source = GrowingFile(b"one\ntwo\n")
    assert new_lines(LogFile("user_logs/std_log.txt"), source) == ["one", "two"]
    assert source.reads == [(0, 8)]


def test_a_very_long_line_comes_in_pieces_that_are_the_line():
    line = "".join(chr(0x4E00 + number % 5000) for number in range(3 * LONGEST))
    log = LogFile("user_logs/std_log.txt")
    source = GrowingFile(line.encode(), limit=100_001)
    while log.advance(source.read):
        assert log._lines._length <= LONGEST + 100_001
    source.content += b"\nnext\n"
    log.advance(source.read)
    kinds = [item.kind for item in log.pending]
    assert kinds.count(LineKind.PIECE) >= 2
    assert kinds[-2:] == [LineKind.WHOLE, LineKind.WHOLE]
    texts = taken(log)
    assert "".join(texts[:-1]) == line
    assert texts[-1] == "next"


def test_a_progress_bar_of_any_length_is_its_present_state():
    source = GrowingFile()
    log = LogFile("user_logs/std_log.txt")
    for percent in range(101):
        source.content += f"\r{percent}%|{'#' * 1000}".encode()
        assert new_lines(log, source) == []
        assert log.unfinished.text.startswith(f"{percent}%")
        assert log._lines._length < 2100
    source.content += b"\ndone\n"
    assert new_lines(log, source) == [f"100%|{'#' * 1000}", "done"]
    assert log.unfinished is None


@pytest.mark.parametrize("after", [b"", b"new\n", b"new one\nnew two\nthat is much longer\n"])
def test_a_log_that_is_begun_anew_is_said_once_and_read_from_its_start(after):
    source = GrowingFile(b"old one\nold two")
    source.facts = {"created": datetime(2026, 1, 1, tzinfo=timezone.utc)}
    log = LogFile("user_logs/std_log.txt")
    assert new_lines(log, source) == ["old one"]
    source.content = after
    source.facts = {"created": datetime(2026, 1, 2, tzinfo=timezone.utc)}
    old, note, *lines = new_lines(log, source)
    assert old == "old two"
    assert "std_log.txt was cut off or begun anew after byte 15" in note
    assert lines == after.decode().splitlines()
    assert new_lines(log, source) == []


def test_a_log_that_is_cut_off_is_believed_when_it_is_so_twice():
    whole = b"one\ntwo\nthree\n"
    source = GrowingFile(whole)
    log = LogFile("user_logs/std_log.txt")
    new_lines(log, source)
    source.content = whole[:4]
    assert new_lines(log, source) == []
    assert not log.settled
    source.content = whole + b"four\n"
    assert new_lines(log, source) == ["four"]
    source.content = b"x\n"
    assert new_lines(log, source) == []
    note, line = new_lines(log, source)
    assert "begun anew" in note
    assert line == "x"


@pytest.mark.parametrize(
    ("content", "tail", "lines"),
    [
        (b"a\nb\nc\n", 2, ["b", "c"]),
        (b"a\nb\nc", 2, ["b", "c"]),
        (b"a\nb\nc\n", 0, []),
        (b"a\nb\nc\n", 3, ["a", "b", "c"]),
        (b"a\nb\nc\n", 9, ["a", "b", "c"]),
        (b"\n\n\n", 2, ["", ""]),
        (b"", 5, []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_the_tail_of_what_is_there_is_read_and_all_that_comes(content, tail, lines, limit):
    source = GrowingFile(content, limit=limit)
    log = LogFile("user_logs/std_log.txt", selection=LogSelection(tail=tail))
    assert new_lines(log, source) + rest(log) == lines
    source.content += b"\nnew\n" if not content.endswith(b"\n") else b"new\n"
    assert new_lines(log, source)[-1:] == ["new"]


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.text(alphabet="ab ", max_size=30_000), max_size=12),
    tail=st.integers(min_value=0, max_value=14),
)
def test_any_tail_is_the_last_lines(lines, tail):
    content = "".join(f"{line}\n" for line in lines).encode()
    source = GrowingFile(content)
    log = LogFile("user_logs/std_log.txt", selection=LogSelection(tail=tail))
    assert new_lines(log, source) == (lines[-tail:] if tail else [])


def test_the_tail_of_a_long_log_costs_little():
    source = GrowingFile(b"x" * 99 + b"\n")
    source.content *= 200_000
    log = LogFile("user_logs/std_log.txt", selection=LogSelection(tail=10))
    assert len(new_lines(log, source)) == 10
    assert sum(length for _, length in source.reads) < 100_000


SINCE = LogSelection(since=datetime(2026, 1, 1, 12, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["2026-01-01 11:59:59 old", "  more", "2026-01-01 12:00:00 new", "x"], 2),
        (["start", "2026-01-01T12:00:01.5Z new"], 0),
        (["[2026-01-01 13:30:00,123+02:00] old", "2026-01-01 13:30:00+01:00 new"], 1),
        (["no times", "at all"], 0),
        (["start", "2026-01-01 10:00:00 old"], 2),
        (["2026-99-99 10:00:00 no time"], 0),
    ],
)
def test_lines_before_a_moment_are_left_out_by_their_own_times(lines, wanted):
    source = GrowingFile("".join(f"{line}\n" for line in lines).encode())
    log = LogFile("user_logs/std_log.txt", selection=SINCE)
    assert new_lines(log, source) == lines[wanted:]
    source.content += b"2020-01-01 00:00:00 told of later\n"
    assert new_lines(log, source) == ["2020-01-01 00:00:00 told of later"]


def test_a_file_that_has_not_changed_since_is_left_out_until_it_does():
    source = GrowingFile(b"old\nhalf")
    source.facts = {"modified": datetime(2026, 1, 1, 11, tzinfo=timezone.utc)}
    log = LogFile("user_logs/std_log.txt", selection=SINCE)
    assert new_lines(log, source) == []
    source.content += b" a line\nnew\n"
    assert new_lines(log, source) == ["new"]


def test_raw_lines_keep_their_carriage_returns():
    log = LogFile("user_logs/std_log.txt", raw=True)
    assert new_lines(log, GrowingFile(b" 0%\r 50%\r100%\r\nx\n")) == [" 0%\r 50%\r100%\r", "x"]


def test_the_last_lines_are_kept():
    log = LogFile("user_logs/std_log.txt")
    new_lines(log, GrowingFile("".join(f"{number}\n" for number in range(100)).encode()))
    assert list(log.last_lines) == [str(number) for number in range(80, 100)]
