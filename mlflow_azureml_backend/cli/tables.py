"""Write for people: tables, durations and sizes."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A name that somebody gave a run must not take over the terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIBI = 1024
_LONGEST_FOLDER = 30


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere tab-separated lines without headings.

    Args:
        headings: One for each column.
        rows: The cells.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        # The first two columns are what other commands take: never cut off.
        table.add_column(heading, no_wrap=True, min_width=8 if number else 0, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)


def plain(text: str) -> str:
    """Give a text without control characters and line breaks."""
    return _CONTROL.sub(" ", text)


def length(seconds: float | None) -> str:
    """Write a duration shortly: `42s`, `3m05s`, `2h10m`, `4d03h`; `-` where there is none."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def size(count: int | None) -> str:
    """Write a number of bytes: `812 B`, `1.5 MiB`; `?` where it is not known."""
    if count is None:
        return "?"
    if count < _KIBI:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= _KIBI
        if amount < _KIBI:
            return f"{amount:.1f} {unit}"
    return f"{amount / _KIBI:.1f} TiB"


def artifact_tree(files: Sequence[tuple[str, int | None]]) -> list[str]:
    """Write files as a tree of folders, with the sizes; long folders are cut off.

    Args:
        files: Path and size of each.
    """
    folders: dict[str, Any] = {}
    for path, count in sorted(files):
        *parents, name = path.split("/")
        folder = folders
        for parent in parents:
            folder = folder.setdefault(f"{parent}/", {})
        folder[name] = count
    return list(_branches(folders, ""))


def _branches(folder: dict[str, Any], indent: str) -> Iterator[str]:
    names = sorted(folder, key=lambda name: (not isinstance(folder[name], dict), name))
    left = names[_LONGEST_FOLDER:] if len(names) > _LONGEST_FOLDER + 1 else []
    width = max((len(indent + plain(name)) for name in names), default=0)
    for name in names[: len(names) - len(left)]:
        inner = folder[name]
        if isinstance(inner, dict):
            yield f"{indent}{plain(name)}"
            yield from _branches(inner, f"{indent}  ")
        else:
            yield f"{indent + plain(name):<{width}}  {size(inner)}"
    if left:
        yield f"{indent}… and {len(left)} more"
