"""Show what moves between this machine and the workspace's storage, while it moves."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is smaller is there before a bar could be read.
_WORTH_A_BAR = 5_000_000
_MANY_FILES = 200


class Transfer:
    """Show a bar on the terminal for each transfer that takes a while.

    Args:
        visible: Show anything at all.
    """

    def __init__(self, *, visible: bool) -> None:
        self._visible = visible and sys.stderr.isatty()

    @contextmanager
    def shown(self, what: str, size: int, *, files: int = 1) -> Iterator[Callable[[int], None]]:
        """Show a transfer until the block ends.

        Args:
            what: What is done, for people.
            size: Bytes in all.
            files: How many files they are in.

        Returns:
            To be told of further bytes, from any thread.
        """
        if not self._visible or (size < _WORTH_A_BAR and files < _MANY_FILES):
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            counted = f"{what} ({files:,} files)" if files > 1 else what
            task = progress.add_task(counted, total=size)
            yield lambda count: progress.advance(task, count)
