"""What a build or a push shows on stderr: bars on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


_FINISHED = ("Pushed", "Layer already exists")


class Progress(Protocol):
    """Where a build and a push tell how far they are."""

    def line(self, text: str) -> None:
        """Show one line."""

    def layer(self, name: str, status: str, done: int | None, total: int | None) -> None:
        """Show how far one layer is: its bytes sent and to be sent, where they are known."""


class _Silent:
    def line(self, text: str) -> None:
        """Show nothing."""

    def layer(self, name: str, status: str, done: int | None, total: int | None) -> None:
        """Show nothing."""


class _Lines:
    """Show a layer once for each thing that happens to it, without its bytes."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self._shown: dict[str, str] = {}

    def line(self, text: str) -> None:
        # markup=False: the text is data, square brackets included.
        self._console.print(f"    {text}", style="dim", markup=False, emoji=False)

    def layer(self, name: str, status: str, done: int | None, total: int | None) -> None:
        del done, total
        if self._shown.get(name) != status:
            self._shown[name] = status
            self.line(f"{name}: {status}")


class _Bars(_Lines):
    def __init__(self, console: Any, bars: Any) -> None:
        super().__init__(console)
        self._bars = bars
        self._tasks: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}

    def layer(self, name: str, status: str, done: int | None, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(f"    {name}", total=None, status=status)
        task = self._tasks[name]
        self._bars.update(task, status=status)
        if done is not None and total:
            self._sizes[name] = total
            self._bars.update(task, completed=min(done, total), total=total)
        elif status in _FINISHED:
            size = self._sizes.get(name, 0)
            self._bars.update(task, completed=size, total=size)


@contextmanager
def shown_progress(*, shown: bool) -> Iterator[Progress]:
    """Give what shows progress.

    Args:
        shown: False for `"stream": false`.
    """
    if not shown:
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[status]}", markup=False),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bars(console, bars)
