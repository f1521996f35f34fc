"""One process of a job: started once, watched by whichever emulator is there, ended as a group.

The process has to outlive the emulator that started it, so nothing about it may be known only to
a parent. Three files in a folder of its own tell everything: `pid`, the leader of its process
group; `exit_code`, written when the command has ended; and `lifeline`, a named pipe whose writing
end only the leader holds. A reader of the lifeline sees its end when the leader is gone: without
polling, on every POSIX system, and with no doubt about process ids that were given again.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt

GRACE_SECONDS: Final = 10.0
"""How long a job that is to end has between SIGTERM and SIGKILL."""

_PID_SECONDS: Final = 0.01

# The leader's standard input is the lifeline; the command gets none. A trapped signal is back to
# its default in the command, whereas an ignored one would be ignored there too. What the leader's
# shell has to say of a signal is no output of the job. The last line ends what the command left
# running, as the end of a container does.
_LEADER: Final = """
echo $$ > "$0/pid"
trap : TERM
exec 3>&2 2> /dev/null
(exec "$@" < /dev/null 2>&3 3>&-)
echo $? > "$0/exit_code"
kill -s KILL 0
"""


class JobProcess:
    """Watch and end one process.

    Args:
        folder: the process's own folder, in which it was started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline = os.open(folder / "lifeline", os.O_RDONLY | os.O_NONBLOCK)

    @classmethod
    def start(
        cls,
        folder: Path,
        argv: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> JobProcess:
        """Start a program in a session and process group of its own.

        Args:
            folder: the process's own folder, where it is found again; made when it is missing.
            argv: the program and its arguments.
            directory: the working directory.
            environment: all variables of the process.
            log: the file its standard output and error are appended to, unbuffered.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("lifeline", "pid", "exit_code"):
            (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / "lifeline", mode=0o600)
        process = cls(folder)
        # Opens at once, because the reading end is open.
        lifeline = os.open(folder / "lifeline", os.O_WRONLY)
        try:
            with log.open("ab", buffering=0) as output:
                process._child = subprocess.Popen(
                    ["/bin/sh", "-c", _LEADER, str(folder), *argv],
                    cwd=directory,
                    env=dict(environment),
                    stdin=lifeline,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except BaseException:
            process.close()
            raise
        finally:
            os.close(lifeline)
        return process

    @staticmethod
    def was_started(folder: Path) -> bool:
        """Tell whether a program was ever begun in a process's folder, by any emulator."""
        if (folder / "pid").exists():
            return True
        try:
            process = JobProcess(folder)
        except FileNotFoundError:
            return False
        # Its emulator may have been killed before the leader could write down who it is.
        try:
            return process.is_alive
        finally:
            process.close()

    @property
    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        try:
            # Nothing is ever written: there is either nothing to read yet, or nobody to write.
            return os.read(self._lifeline, 1) != b""
        except BlockingIOError:
            return True

    @property
    def exit_code(self) -> int | None:
        """Give the status code of an ended process; None when it was killed before it had one."""
        try:
            return int((self._folder / "exit_code").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def wait(self, interrupt: Interrupt | None = None, seconds: float | None = None) -> bool:
        """Wait until the process has ended.

        Args:
            interrupt: ends the waiting.
            seconds: ends the waiting after that long; None waits for ever.

        Returns:
            False when the process still runs.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._lifeline, selectors.EVENT_READ)
            if interrupt is not None:
                selector.register(interrupt, selectors.EVENT_READ)
            while self.is_alive:
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or (interrupt and interrupt.is_set()):
                    return False
                selector.select(left)
        if self._child is not None:
            self._child.wait()
        return True

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process and all it has started; returns at once."""
        self._signal(signal.SIGTERM)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the process group: ask with SIGTERM, then insist with SIGKILL.

        Args:
            grace_seconds: how long the processes may take to end by themselves.
        """
        self.ask_to_end()
        self.insist(grace_seconds)

    def insist(self, seconds: float) -> None:
        """End the process group with SIGKILL if it has not ended by itself.

        Args:
            seconds: how long to wait before.
        """
        if not self.wait(seconds=seconds):
            self._signal(signal.SIGKILL)
            self.wait()

    def fileno(self) -> int:
        """Give a descriptor that is readable once the process has ended."""
        return self._lifeline

    def close(self) -> None:
        """Stop watching; the process goes on."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _signal(self, number: signal.Signals) -> None:
        # While the leader lives its process id cannot be anybody else's.
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.killpg(self._leader(), number)

    def _leader(self) -> int:
        if self._child is not None:
            return self._child.pid  # known before the leader has written it down
        file = self._folder / "pid"
        # An emulator that was killed at once leaves a leader that is just about to write it.
        while not (text := file.read_text() if file.exists() else "").endswith("\n"):
            if not self.is_alive:
                raise ProcessLookupError
            time.sleep(_PID_SECONDS)
        return int(text)
