"""Logs that are shown otherwise than they are: in fragments, cut off, or begun anew."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from mlflow_azureml_backend.emulator.blob_view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.emulator.faults.plan import ActiveFault


class Narrowing(Protocol):
    """Say what one request sees of a log."""

    def __call__(self, active: ActiveFault, path: str, *, reads: bool) -> Callable[[View], View]:
        """Make the function that narrows the view.

        Args:
            active: the fault in force.
            path: the log's path.
            reads: the request reads bytes; otherwise it asks for the size.
        """


def _fragments(active: ActiveFault, path: str, *, reads: bool) -> Callable[[View], View]:
    step = int(active.fault.value)

    def narrow(view: View) -> View:
        with active.lock:
            shown = int(active.memory.get(path, 0))
            if reads:
                shown = active.memory[path] = min(shown + step, view.size)
        return View(start=view.start, size=min(shown, view.size))

    return narrow


def _truncated(active: ActiveFault, path: str, *, reads: bool) -> Callable[[View], View]:
    del path, reads
    most = int(active.fault.value)
    return lambda view: View(start=view.start, size=min(most, view.size))


def _rotated(active: ActiveFault, path: str, *, reads: bool) -> Callable[[View], View]:
    del path, reads
    most = int(active.fault.value)

    def narrow(view: View) -> View:
        # A log that is exactly full is not begun anew before something more is written.
        former = max(view.size - 1, 0) // most * most
        return View(start=view.start + former, size=view.size - former)

    return narrow


NARROWINGS: Final[Mapping[str, Narrowing]] = MappingProxyType(
    {"log_fragments": _fragments, "log_truncated": _truncated, "log_rotated": _rotated}
)
"""What a request sees of a log, by the name of the effect."""
