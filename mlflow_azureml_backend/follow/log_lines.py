"""Bytes come in any pieces; lines go out whole, once and in order."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from mlflow_azureml_backend.follow.display import LineKind

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 16
"""Characters of a line that are held back at most: a longer one is given out in pieces."""


class LogLines:
    """Cut what a file holds into lines.

    A line is given out when its end has come; the bytes of a character that is not complete yet
    wait with it. Of a line that a progress bar wrote over with carriage returns only the last
    state is kept.

    Args:
        raw: Keep carriage returns.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial: list[str] = []
        self._length = 0
        self._in_pieces = False

    def feed(self, data: bytes) -> Iterator[tuple[str, LineKind]]:
        """Give the lines that are complete with these bytes, and pieces of very long ones.

        Args:
            data: What follows the bytes of the last call.
        """
        return self._cut(self._decoder.decode(data))

    def finish(self) -> Iterator[tuple[str, LineKind]]:
        """Give the last line when the file does not end with a line break."""
        yield from self._cut(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        if self._length or self._in_pieces:
            yield self._end_line("")

    def state(self) -> str | None:
        """Give what a progress bar in the unfinished line shows now, or None without one."""
        text = "".join(self._partial)
        if self._raw or "\r" not in text:
            return None
        return next((part for part in reversed(text.split("\r")) if part), None)

    def _cut(self, text: str) -> Iterator[tuple[str, LineKind]]:
        *ends, rest = text.split("\n")
        if ends:
            yield self._end_line(ends[0])
            whole = LineKind.WHOLE
            for line in ends[1:]:
                yield (line if self._raw else _shown(line)), whole
        self._keep(rest)
        while self._length > LONGEST:
            held = "".join(self._partial)
            piece, held = held[:LONGEST], held[LONGEST:]
            self._partial, self._length = [held], len(held)
            self._in_pieces = True
            yield piece, LineKind.PIECE

    def _end_line(self, end: str) -> tuple[str, LineKind]:
        text = "".join((*self._partial, end))
        self._partial, self._length, self._in_pieces = [], 0, False
        return (text if self._raw else _shown(text)), LineKind.WHOLE

    def _keep(self, text: str) -> None:
        if not text:
            return
        if not self._raw and "\r" in text:
            # A state that was written over is not needed any more, however many there are. The
            # last carriage return may be the first half of a line's end.
            whole = "".join((*self._partial, text))
            over = whole.rfind("\r", 0, len(whole) - 1)
            self._partial = [whole[max(over, 0) :]]
            self._length = len(self._partial[0])
        else:
            self._partial.append(text)
            self._length += len(text)


def _shown(line: str) -> str:
    """Give the last state of a line that a progress bar wrote over with carriage returns."""
    if "\r" not in line:
        return line
    return line.removesuffix("\r").rsplit("\r", 1)[-1]
