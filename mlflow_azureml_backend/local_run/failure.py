"""Why a project's command failed, in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.local_run.folder import Ending

_TRACEBACK = "Traceback (most recent call last):"
_TAIL_BYTES = 64 * 1024


def failure_text(ending: Ending, log: Path) -> str | None:
    """Say why a command did not end well: its exit code, and its last traceback or line.

    Args:
        ending: How it ended.
        log: What it printed.
    """
    if ending.reason is not None or ending.canceled:
        return ending.reason
    if ending.exit_code == 0:
        return None
    code = ending.exit_code or 0
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    said = f"The project's command ended {how}"
    told = _last_words(log)
    if not told:
        return f"{said}."
    # The first line says most where only one is shown.
    return "\n".join([f"{said}: {told[-1].strip()}", *(told if len(told) > 1 else ())])


def _last_words(log: Path) -> list[str]:
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").rstrip().splitlines()
    except OSError:
        return []
    starts = [index for index, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    return lines[starts[-1] :] if starts else lines[-1:]
