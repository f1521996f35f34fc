"""One log file, read once from its first byte to its last."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 20


class LogFile:
    """Turn the growing bytes of a log file into complete lines.

    A line is given out when its end has been read; bytes of a character that is not complete
    yet wait with it. `finish` gives out what is left.

    Args:
        path: The file's path below the run.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""

    def read(self, fetch: Callable[[int, int], bytes]) -> Iterator[str]:
        """Give every line that has been completed since the last call.

        Args:
            fetch: Reads the file from a byte offset, at most so many bytes; nothing at its end.
        """
        while chunk := fetch(self.offset, CHUNK):
            self.offset += len(chunk)
            yield from self._lines(self._decoder.decode(chunk))

    def finish(self) -> Iterator[str]:
        """Give the last line when the file does not end with a line break."""
        yield from self._lines(self._decoder.decode(b"", final=True))
        if self._partial:
            yield _shown(self._partial)
            self._partial = ""

    def _lines(self, text: str) -> Iterator[str]:
        *complete, self._partial = (self._partial + text).split("\n")
        yield from map(_shown, complete)


def _shown(line: str) -> str:
    """Give the last state of a line that a progress bar wrote over with carriage returns."""
    return line.removesuffix("\r").rsplit("\r", 1)[-1]
