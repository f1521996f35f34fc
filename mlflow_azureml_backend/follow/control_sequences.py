"""What a log line may do to a terminal: colour its text, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUSPICIOUS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_COLOUR = r"\x1b\[[0-9;:]{0,64}m"
# Cursor movements, erasures, modes, titles, links: what a program wrote for its own terminal.
# They are only taken away where they are complete; what is left of others is made visible.
_SEQUENCE = re.compile(
    rf"(?P<colour>{_COLOUR})"
    r"|\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b\][^\x00-\x1f\x7f-\x9f]{0,2048}(?:\x07|\x1b\\)"
    r"|(?P<other>[\x00-\x08\x0a-\x1f\x7f-\x9f])"
)
_COLOURS = re.compile(_COLOUR)
_RESETS = re.compile(r"\x1b\[0*m")
_C0 = 0x20


def neutralised(text: str) -> str:
    r"""Take out of a line whatever a terminal would obey, except for colours.

    Complete sequences go away; a control character of none is shown: `␛`, `␇`, `\x9b`.

    Args:
        text: One line, or a piece of one.
    """
    if _SUSPICIOUS.search(text) is None:
        return text
    return _SEQUENCE.sub(_harmless, text)


def open_colours(text: str, before: str = "") -> str:
    """Give the colour sequences that are still in force after a line.

    Args:
        text: The line.
        before: Those that were in force before it.
    """
    if "\x1b" not in text:
        return before
    in_force = before
    for sequence in _sequences(text):
        in_force = "" if _RESETS.fullmatch(sequence) else in_force + sequence
    return in_force


def without_colours(text: str) -> str:
    """Take the colours out of a text as well."""
    return _COLOURS.sub("", text)


def _sequences(text: str) -> Iterator[str]:
    return (match[0] for match in _COLOURS.finditer(text))


def _harmless(match: re.Match[str]) -> str:
    if match["colour"]:
        return match["colour"]
    other = match["other"]
    if not other:
        return ""
    code = ord(other)
    if code < _C0:
        return chr(0x2400 + code)  # the picture of the character
    return "\u2421" if code == 0x7F else repr(other)[1:-1]  # noqa: PLR2004  # DEL
