"""One log file, read once from its first byte to its last."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 20

# Streams a user wants to see: what the processes print, and the image build that runs before.
_STREAMED = re.compile(r"user_logs/.+|azureml-logs/(?:20_image_build_log|[0-9]+_driver_log.*)\.txt")
_RANK = re.compile(r"std_log_process_0*(\d+)\.txt$")
IMAGE_BUILD = "azureml-logs/20_image_build_log.txt"


def is_streamed(path: str) -> bool:
    """Tell whether a log file is shown to the user as it grows.

    Args:
        path: The file's path below the run, such as `user_logs/std_log.txt`.
    """
    return _STREAMED.fullmatch(path) is not None


def rank_of(path: str) -> int | None:
    """Give the rank whose output a log file holds, or None for a job of one process."""
    match = _RANK.search(path)
    return int(match[1]) if match else None


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
