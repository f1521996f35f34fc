"""All processes of one job: they go on together, and end together when one of them fails."""

from __future__ import annotations

import json
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.process import GRACE_SECONDS, JobProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt

_FOLDER: Final = "processes"
_MEMBERS: Final = "members.json"
_FAILED: Final = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Say what has to be known of one process of a group.

    Args:
        log: its log, below the folder of the run.
        auxiliary: it serves the others and is ended when they have ended.
    """

    log: str
    auxiliary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMember:
    """Say which process made its group fail.

    Args:
        log: its log, below the folder of the run.
        exit_code: its status code; None when it was lost before it had one.
    """

    log: str
    exit_code: int | None


class ProcessGroup:
    """Watch and end the processes of one job.

    Args:
        folder: the job's folder, in which they were started, by whichever emulator.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        known = json.loads((self._folder / _MEMBERS).read_text())
        self._members = tuple(Member(**member) for member in known)
        self._processes: dict[int, JobProcess] = {}

    @classmethod
    def start(
        cls,
        folder: Path,
        members: Sequence[Member],
        start: Callable[[int, Path], JobProcess],
    ) -> ProcessGroup:
        """Start the processes of a job.

        Args:
            folder: the job's folder.
            members: what has to be known of each.
            start: starts the process of a number, in a folder of its own.
        """
        (folder / _FOLDER).mkdir(parents=True)
        # Before the first of them: who finds one of them has to know how many there should be.
        text = [{"log": member.log, "auxiliary": member.auxiliary} for member in members]
        (folder / _FOLDER / _MEMBERS).write_text(json.dumps(text))
        group = cls(folder)
        try:
            for number in range(len(members)):
                group._processes[number] = start(number, group._place(number))
        except BaseException:
            group.stop(0)
            group.close()
            raise
        return group

    @classmethod
    def found(cls, folder: Path) -> ProcessGroup | None:
        """Find the processes that an emulator before this one started; None when it had none.

        Args:
            folder: the job's folder.
        """
        try:
            group = cls(folder)
        except (FileNotFoundError, ValueError):
            return None
        for number in range(len(group._members)):
            if JobProcess.was_started(group._place(number)):
                group._processes[number] = JobProcess(group._place(number))
        return group if group._processes else None

    def wait(self, interrupt: Interrupt | None = None, seconds: float | None = None) -> bool:
        """Wait until the job's processes have ended, and end the others when one has failed.

        Args:
            interrupt: ends the waiting.
            seconds: ends the waiting after that long; None waits for ever.

        Returns:
            False when they go on.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            if interrupt is not None:
                selector.register(interrupt, selectors.EVENT_READ)
            for process in self._processes.values():
                selector.register(process, selectors.EVENT_READ)
            while not self._is_over():
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or (interrupt and interrupt.is_set()):
                    return False
                selector.select(left)
                for key in tuple(selector.get_map().values()):
                    if isinstance(key.fileobj, JobProcess) and not key.fileobj.is_alive:
                        selector.unregister(key.fileobj)
        self.stop()
        return True

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End all processes: ask with SIGTERM, then insist with SIGKILL.

        Args:
            grace_seconds: how long they may take, together, to end by themselves.
        """
        alive = [process for process in self._processes.values() if process.is_alive]
        for process in alive:
            process.ask_to_end()
        deadline = time.monotonic() + grace_seconds
        for process in self._processes.values():
            process.insist(max(0.0, deadline - time.monotonic()))

    def failed(self) -> FailedMember | None:
        """Say which process failed, the first if there are several; None when none did."""
        try:
            number = int((self._folder / _FAILED).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return FailedMember(log=self._members[number].log, exit_code=self._exit_code(number))

    def close(self) -> None:
        """Stop watching; the processes go on."""
        for process in self._processes.values():
            process.close()

    def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for: all are done, or one has failed."""
        ended = {
            number: self._exit_code(number)
            for number in range(len(self._members))
            if not self._is_alive(number)
        }
        required = (n for n, member in enumerate(self._members) if not member.auxiliary)
        if self.failed() is not None or all(ended.get(number) == 0 for number in required):
            return True
        bad = [number for number, exit_code in ended.items() if exit_code != 0]
        if bad:
            # Written before the others are ended: their status is not why the job fails.
            (self._folder / _FAILED).write_text(str(bad[0]))
        return bool(bad)

    def _is_alive(self, number: int) -> bool:
        return number in self._processes and self._processes[number].is_alive

    def _exit_code(self, number: int) -> int | None:
        # One that was never started, because its emulator was killed, is as lost as a killed one.
        return self._processes[number].exit_code if number in self._processes else None

    def _place(self, number: int) -> Path:
        return self._folder / str(number)
