"""A local run's folder on this machine: what its supervisor and those who follow it share.

Nothing but the standard library is imported here: the supervisor starts with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.file_lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT_VARIABLE: Final = "MLFLOW_AZUREML_LOCAL_RUNS"
"""The environment variable that names another place for the folders than the user's own."""

_RETRY_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the supervisor is to run.

    Args:
        arguments: The command and its arguments.
        working_folder: Where it runs.
        started: When the run began, in seconds since 1970.
        timeout: Seconds after which it is ended, or None.
        outputs_before: Path below `outputs/` -> size and time of change, of what was there before.
        completion: The command that completes the run if nobody else does; nothing for none.
        patience: Seconds that are left to others for that.
    """

    arguments: list[str]
    working_folder: str
    started: float
    timeout: int | None = None
    outputs_before: Mapping[str, list[int]] = field(default_factory=dict)
    completion: list[str] = field(default_factory=list)
    patience: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the project's command ended.

    Args:
        ended: When, in seconds since 1970.
        exit_code: Its exit code, negative for a signal; None when it never began.
        canceled: Whether it was ended on purpose.
        reason: Why it did not end by itself, or None.
    """

    ended: float
    exit_code: int | None = None
    canceled: bool = False
    reason: str | None = None


class RunFolder:
    """The folder of one local run.

    Args:
        path: The folder, which may be gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "std_log.txt"
        self.errors = path / "supervisor.txt"
        self._request = path / "request.json"
        self._ending = path / "ending.json"
        self._cancel = path / "cancel"
        self._alive = path / "alive.lock"
        self._claim = path / "claim.lock"

    @classmethod
    def of(cls, run_id: str) -> RunFolder:
        """Name the folder of a run.

        Args:
            run_id: The run's id in the workspace.
        """
        return cls(_root() / run_id)

    @property
    def exists(self) -> bool:
        """Whether the run is of this machine, and has not been completed."""
        return self._request.exists()

    def create(self, request: Request) -> None:
        """Make the folder, which nobody else can read."""
        self.path.mkdir(parents=True, mode=0o700)
        self.log.touch()
        self._claim.touch(mode=0o600)
        _write(self._request, asdict(request))

    def request(self) -> Request:
        """Read what is to be run."""
        return Request(**_read(self._request))

    def ending(self) -> Ending | None:
        """Read how the command ended; None while it has not."""
        try:
            return Ending(**_read(self._ending))
        except FileNotFoundError:
            return None

    def end(self, ending: Ending) -> None:
        """Write how the command ended; of a run that was given up, nothing is kept."""
        with contextlib.suppress(FileNotFoundError):
            _write(self._ending, asdict(ending))

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody wants the command to end, or nobody wants its run any more."""
        return self._cancel.exists() or not self.exists

    def request_cancel(self) -> None:
        """Ask the supervisor to end the command."""
        with contextlib.suppress(FileNotFoundError):
            self._cancel.touch()

    @contextlib.contextmanager
    def supervised(self) -> Iterator[None]:
        """Show, as long as this process lives, that the command has a supervisor."""
        handle = os.open(self._alive, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not try_lock(handle):  # somebody looks whether it is locked
                time.sleep(_RETRY_SECONDS)
            yield
        finally:
            os.close(handle)

    @property
    def was_supervised(self) -> bool:
        """Whether there ever was a supervisor."""
        return self._alive.exists()

    @property
    def is_supervised(self) -> bool:
        """Whether the supervisor lives."""
        return _is_locked(self._alive)

    @property
    def is_being_completed(self) -> bool:
        """Whether some process brings to the workspace what is here."""
        return _is_locked(self._claim)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[bool]:
        """Let one process at a time complete the run; says whether there is still something to do.

        The lock goes with its holder's life, and the folder with the work.
        """
        try:
            # Whoever made the file here could make it anew in a folder that is being removed.
            handle = os.open(self._claim, os.O_RDWR)
        except FileNotFoundError:
            yield False
            return
        try:
            while not try_lock(handle):
                time.sleep(_RETRY_SECONDS)
            yield self.exists
        finally:
            os.close(handle)

    def remove(self) -> None:
        """Remove the folder, once the workspace has what is in it."""
        # By this file the folder exists: whoever looks meanwhile finds all of it, or none.
        self._request.unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def _is_locked(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(handle)
    finally:
        os.close(handle)


def _root() -> Path:
    if named := os.environ.get(ROOT_VARIABLE):
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "mlflow-azureml-backend" / "local-runs"


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write a file that is there as a whole or not at all, even if the machine stops."""
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
