"""The faults in force: which of them strikes a request."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.faults.scope import chooser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow_azureml_backend.emulator.faults.fault import Fault
    from mlflow_azureml_backend.emulator.faults.scope import Asked

_SEEDS: Final = 1 << 32


class ActiveFault:
    """Hold a fault in force: what it has met and struck so far.

    Args:
        fault: the fault; one whose chances have no seed gets one, so that they can be repeated.
        number: what it is removed by.
    """

    def __init__(self, fault: Fault, number: int) -> None:
        if fault.seed is None and fault.probability < 1:
            fault = replace(fault, seed=secrets.randbelow(_SEEDS))
        self.fault = fault
        self.number = number
        self.met = 0
        self.struck = 0
        self.memory: dict[str, Any] = {}
        """What the effect remembers from one request to the next, by the path that is asked."""
        self.lock = threading.Lock()
        """Held while the memory is used in worker threads."""
        self.random = random.Random(fault.seed)  # noqa: S311 (a seed makes it the same every time)
        self.chooses = chooser(fault)

    def strikes(self) -> bool:
        """Count one more request that it is for, and say whether it is struck."""
        fault = self.fault
        self.met += 1
        if self.met <= fault.skip or (fault.count is not None and self.struck >= fault.count):
            return False
        if fault.probability < 1 and self.random.random() >= fault.probability:
            return False
        self.struck += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Give the fault with its number, and how many requests it has met and struck."""
        return {
            "id": self.number,
            **self.fault.as_json(),
            "met": self.met,
            "struck": self.struck,
        }


class FaultPlan:
    """Keep the faults in force, in the order in which they were added.

    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: tuple[ActiveFault, ...] = ()
        self._numbers = itertools.count(1)

    def add(self, faults: Iterable[Fault]) -> tuple[ActiveFault, ...]:
        """Put faults into force, behind those that are there."""
        with self._lock:
            added = tuple(ActiveFault(fault, next(self._numbers)) for fault in faults)
            self._active += added
        return added

    def replace(self, faults: Iterable[Fault]) -> tuple[ActiveFault, ...]:
        """Put faults into force instead of all that are there."""
        with self._lock:
            self._active = tuple(ActiveFault(fault, next(self._numbers)) for fault in faults)
            return self._active

    def remove(self, number: int) -> bool:
        """Take one fault out of force; False when there was none of this number."""
        with self._lock:
            kept = tuple(each for each in self._active if each.number != number)
            removed = len(kept) < len(self._active)
            self._active = kept
        return removed

    def clear(self, workspace: str = "") -> int:
        """Take all faults out of force, or those of one workspace, and say how many they were.

        Args:
            workspace: the ARM id in lower case; empty for all faults.
        """
        with self._lock:
            kept = tuple(
                each for each in self._active if workspace and each.fault.workspace != workspace
            )
            removed = len(self._active) - len(kept)
            self._active = kept
        return removed

    def in_force(self, workspace: str = "") -> tuple[ActiveFault, ...]:
        """Give the faults in force, all of them or those of one workspace."""
        return tuple(
            each for each in self._active if not workspace or each.fault.workspace == workspace
        )

    @property
    def is_empty(self) -> bool:
        """Tell whether there are no faults at all."""
        return not self._active

    def striking(self, request: Asked) -> list[ActiveFault]:
        """Give the faults that strike a request, in order.

        Of those that answer instead of the service the first one does, and the others do not
        count the request: so three answers 429 can be followed by two resets.
        """
        found: list[ActiveFault] = []
        answered = False
        with self._lock:
            for each in self._active:
                if (answered and each.fault.answers) or not each.chooses(request):
                    continue
                if each.strikes():
                    found.append(each)
                    answered = answered or each.fault.answers
        return found
