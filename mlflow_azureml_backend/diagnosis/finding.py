"""What a check finds, and how checks are run so that none can hang."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import AzureMLBackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class State(str, Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What was looked at.
        state: How bad it is.
        found: What was found, in one line.
        fix: What to do about it; for warnings and failures.
        details: Further lines.
    """

    name: str
    state: State = State.OK
    found: str
    fix: str | None = None
    details: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "name": self.name,
            "state": self.state.value,
            "found": self.found,
            "fix": self.fix,
            "details": list(self.details),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look at one thing.

    Args:
        name: What is looked at.
        look: Gives the findings; what it raises is a failure.
        seconds: How long it may take.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    seconds: float = 10.0


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Make checks one after the other, each within its own time, and give what they find.

    Args:
        checks: What to look at.
    """
    for check in checks:
        yield from _run(check)


def _run(check: Check) -> list[Finding]:
    found: list[Finding] = []

    def look() -> None:
        try:
            found.extend(check.look())
        except AzureMLBackendError as error:
            found.append(Finding(name=check.name, state=State.FAILURE, found=str(error)))
        except Exception as error:  # noqa: BLE001  # whatever breaks is what a doctor is asked for
            words = f"{type(error).__name__}: {str(error).strip().splitlines()[:1] or ''}"
            found.append(Finding(name=check.name, state=State.FAILURE, found=words))

    # A thread that hangs is left behind; the process ends without it.
    thread = threading.Thread(target=look, name=f"check {check.name}", daemon=True)
    started = time.monotonic()
    thread.start()
    thread.join(check.seconds)
    if thread.is_alive():
        waited = time.monotonic() - started
        late = Finding(
            name=check.name,
            state=State.FAILURE,
            found=f"no answer within {waited:.0f} seconds",
            fix="Check the network and its proxy settings (HTTPS_PROXY, NO_PROXY).",
        )
        return [late]
    return found
