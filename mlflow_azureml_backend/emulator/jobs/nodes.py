"""The nodes of compute clusters: who has one, and who waits for one in which order."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.failure import JobFailure

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt

LONGEST_QUEUE: Final = 10_000
"""How many jobs may wait for one compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Say which nodes a job needs.

    Args:
        compute: the cluster, under a name that no other cluster of the emulator has.
        count: how many nodes of it.
        capacity: how many nodes it has at most; None for one without a limit.
        priority: the higher one goes first; 1 is low, 2 medium and 3 high.
    """

    compute: str
    count: int
    capacity: int | None
    priority: int = 2


class Nodes:
    """Give nodes to jobs: by their priority, then in the order in which they asked.

    Args:
        longest_queue: how many jobs may wait for one compute.
    """

    def __init__(self, longest_queue: int = LONGEST_QUEUE) -> None:
        self.changed = threading.Condition()
        self._longest_queue = longest_queue
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, list[Ticket]] = defaultdict(list)
        self._numbers = itertools.count()

    def ask(self, demand: Demand) -> Ticket:
        """Stand in line for nodes; returns at once.

        Args:
            demand: what is needed.

        Raises:
            JobFailure: too many wait already.
        """
        ticket = Ticket(self, demand, next(self._numbers))
        with self.changed:
            line = self._waiting[demand.compute]
            if len(line) >= self._longest_queue:
                raise JobFailure(
                    f"{len(line)} jobs wait for the compute "
                    f"'{demand.compute.rpartition('/')[2]}' already, and more may not. Submit the "
                    "job again when some of them have run."
                )
            line.append(ticket)
            line.sort(key=lambda known: known.place)
            self._serve(demand.compute)
        return ticket

    def occupy(self, demand: Demand) -> Ticket:
        """Hold nodes on which a process runs already, however busy the cluster is.

        Args:
            demand: what is occupied.
        """
        ticket = Ticket(self, demand, next(self._numbers))
        with self.changed:
            self._busy[demand.compute] += demand.count
            ticket.granted = True
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Give a ticket's nodes back, or leave the line; doing it again changes nothing."""
        compute = ticket.demand.compute
        with self.changed:
            if ticket.granted:
                ticket.granted = False
                self._busy[compute] -= ticket.demand.count
            elif ticket in self._waiting[compute]:
                self._waiting[compute].remove(ticket)
            self._serve(compute)

    def busy(self, compute: str) -> int:
        """Count the nodes of a compute on which jobs run.

        Args:
            compute: the cluster, as a demand names it.
        """
        with self.changed:
            return self._busy.get(compute, 0)

    def explain(self, ticket: Ticket) -> str:
        """Say why a ticket has no nodes yet, for people."""
        demand = ticket.demand
        with self.changed:
            before = sum(other.place < ticket.place for other in self._waiting[demand.compute])
            return (
                f"it needs {demand.count} of the {demand.capacity} nodes of its compute, of which "
                f"{self._busy[demand.compute]} are in use, and {before} jobs are before it"
            )

    def _serve(self, compute: str) -> None:
        """Give what is free to the first in line: nobody is overtaken by one who needs less."""
        line, served = self._waiting[compute], False
        while line:
            demand = line[0].demand
            if demand.capacity is not None and self._busy[compute] + demand.count > demand.capacity:
                break
            self._busy[compute] += demand.count
            line.pop(0).granted = served = True
        if served:
            self.changed.notify_all()


class Ticket:
    """Stand for one job's nodes: wait for them, until they are released.

    Args:
        nodes: whose nodes.
        demand: what is needed.
        number: the order in which it was asked for.
    """

    def __init__(self, nodes: Nodes, demand: Demand, number: int) -> None:
        self.demand = demand
        self.place = (-demand.priority, number)
        self.granted = False
        self._nodes = nodes

    def wait(self, interrupt: Interrupt) -> bool:
        """Wait for the nodes; False when it was interrupted before they were free.

        Args:
            interrupt: ends the waiting.
        """
        interrupt.on_set(self._look_again)
        with self._nodes.changed:
            self._nodes.changed.wait_for(lambda: self.granted or interrupt.is_set())
            return self.granted

    def explain(self) -> str:
        """Say why there are no nodes yet, for people."""
        return self._nodes.explain(self)

    def _look_again(self) -> None:
        with self._nodes.changed:
            self._nodes.changed.notify_all()
