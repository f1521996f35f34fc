"""The emulator's process in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOG_FILE: Final = "emulator.log"
_LARGEST_LOG: Final = 10_000_000
_LOG_TAIL: Final = 2000
# An emulator's jobs are not to run with what the shell that started it happened to have set.
_NOT_INHERITED: Final = ("AZUREML_", "AZURE_", "MLFLOW_")
# Kept, so that Python neither warns of children that outlive their object nor forgets to reap them.
_STARTED: Final[list[subprocess.Popen[bytes]]] = []


def log_file(root: Path) -> Path:
    """Give the file that the emulator's process writes to."""
    return root / _LOG_FILE


def log_tail(root: Path) -> str:
    """Give the end of that file, for messages; empty when nothing was written."""
    try:
        content = log_file(root).read_bytes()
    except FileNotFoundError:
        return ""
    text = content[-_LOG_TAIL:].decode(errors="replace").strip()
    return f" The end of {log_file(root)}:\n{text}" if text else ""


def spawn(root: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start an emulator that outlives this process and is not bothered by its terminal.

    Args:
        root: the state directory.
        arguments: of `python -m mlflow_azureml_backend.emulator`.
    """
    log = log_file(root)
    too_large = log.exists() and log.stat().st_size > _LARGEST_LOG
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        options = {"creationflags": detached}
    with log.open("wb" if too_large else "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", str(__package__), *arguments],
            cwd=root,
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **options,
        )
    _STARTED.append(process)
    return process
