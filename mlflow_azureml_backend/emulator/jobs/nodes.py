"""The nodes of compute clusters: who has one, and who waits for one in which order."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Say which nodes a job needs.

    Args:
        compute: the cluster, under a name that no other cluster of the emulator has.
        count: how many nodes of it.
        capacity: how many nodes it has at most; None for one without a limit.
    """

    compute: str
    count: int
    capacity: int | None


class Nodes:
    """Give nodes to jobs in the order in which they asked, cluster by cluster."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[object]] = defaultdict(deque)

    @contextmanager
    def held(self, demand: Demand, interrupt: Interrupt) -> Iterator[bool]:
        """Hold nodes for the time of a `with` block.

        Args:
            demand: what is needed.
            interrupt: ends the waiting.

        Yields:
            False when it was interrupted before the nodes were free; nothing is held then.
        """
        granted = self._acquire(demand, interrupt)
        try:
            yield granted
        finally:
            if granted:
                self._release(demand)

    @contextmanager
    def kept(self, demand: Demand) -> Iterator[None]:
        """Hold nodes that a process already occupies, however busy the cluster is.

        Args:
            demand: what is occupied.
        """
        with self._changed:
            self._busy[demand.compute] += demand.count
        try:
            yield
        finally:
            self._release(demand)

    def _acquire(self, demand: Demand, interrupt: Interrupt) -> bool:
        ticket = object()
        interrupt.on_set(self._look_again)

        def free() -> bool:
            if queue[0] is not ticket:
                return False
            busy = self._busy[demand.compute]
            return demand.capacity is None or busy + demand.count <= demand.capacity

        with self._changed:
            queue = self._waiting[demand.compute]
            queue.append(ticket)
            try:
                self._changed.wait_for(lambda: interrupt.is_set() or free())
                if interrupt.is_set():
                    return False
                self._busy[demand.compute] += demand.count
                return True
            finally:
                queue.remove(ticket)
                self._changed.notify_all()

    def _look_again(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _release(self, demand: Demand) -> None:
        with self._changed:
            self._busy[demand.compute] -= demand.count
            self._changed.notify_all()
