"""Where in a command's template a placeholder stands: inside the shell's quotes, or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter

_OUTSIDE = re.compile(r"\\.|(?P<comment>(?:^|(?<=\s))#[^\n]*)|(?P<quote>['\"])", re.DOTALL)
_INSIDE = {
    "'": re.compile(r"(?P<quote>')", re.DOTALL),
    '"': re.compile(r"\\.|(?P<quote>\")", re.DOTALL),
}


@dataclass
class Quoted:
    """A quoted part of a template, which one or more placeholders stand in.

    Args:
        mark: The quote that opens and closes it.
        closed: Whether the closing one was found.
        blank: Whether the template's own text in it has a blank.
    """

    mark: str
    closed: bool = False
    blank: bool = False

    @property
    def is_argument(self) -> bool:
        """Whether it is (part of) one argument, and no command line for another shell.

        `--steps='{steps}'` is; `bash -c "train {steps}"` wants what the shell in it can read.
        """
        return self.closed and not self.blank


def quotes_around(template: str) -> list[Quoted | None]:
    """Give for each placeholder, in the order in which `str.format` asks for them, its quotes.

    Args:
        template: In `str.format` syntax.

    Raises:
        ValueError: It is no template.
    """
    around: list[Quoted | None] = []
    quoted: Quoted | None = None
    for text, field, spec, _ in Formatter().parse(template):
        quoted = _read(text, quoted)
        if field is not None:
            around.append(quoted)
            nested = [inner for _, inner, _, _ in Formatter().parse(spec or "")]
            around += [None] * sum(inner is not None for inner in nested)
    return around


def _read(text: str, quoted: Quoted | None) -> Quoted | None:
    """Read on through a template's own text, and say whether it ends inside quotes."""
    position = 0
    while position < len(text):
        found = (_INSIDE[quoted.mark] if quoted else _OUTSIDE).search(text, position)
        end = found.end() if found else len(text)
        mark = found["quote"] if found else None
        if quoted:
            inner = text[position : end - 1 if mark else end]
            quoted.blank = quoted.blank or any(character.isspace() for character in inner)
            if mark:
                quoted.closed = True
                quoted = None
        elif mark:
            quoted = Quoted(mark)
        position = end
    return quoted
