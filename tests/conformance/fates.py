"""How recorded jobs went: the replay makes its own jobs go the same way, without what they ran."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.shapes import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.recording import Exchange

_JOB: Final = re.compile(r"/(?:jobs|runs)/(?P<name>[^/]+)(?P<action>/[^/]+)?")
# The first line of the command of a job that goes such a way.
_FIRST_LINES: Final = {
    "Completed": "exit 0",
    "Failed": "exit 1",
    "Canceled": "exec sleep 600",
    "Running": "exec sleep 30",
}


class Fates:
    """Say how each job of a recording ended, as far as it tells.

    Args:
        exchanges: the recording.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._ends: dict[str, str] = {}
        self.canceled: set[str] = set()
        for exchange in exchanges:
            name = job_of(exchange)
            if name is None:
                continue
            found = _JOB.search(exchange.resource)
            if found and found["action"] == "/cancel" and exchange.status in {200, 202}:
                self.canceled.add(name)
            elif (status := status_in(exchange.body)) in TERMINAL:
                self._ends.setdefault(name, str(status))

    def steered(self, name: str | None, document: Any) -> Any:
        """Give a job's command a first line that ends it as it ended; what follows is never run.

        A sweep whose end was not recorded still ran when it was last looked at.

        Args:
            name: the job, as it is called in the recording.
            document: the job; any other document is given back as it is.
        """
        properties = document.get("properties") if isinstance(document, dict) else None
        if not isinstance(properties, dict):
            return document
        if isinstance(spec := properties.get("componentSpec"), dict):
            # The steps of a recording's pipelines go the way that one of them went.
            pipeline = next(iter((*self.canceled, *self._ends)), "")
            steered = self._with_first_line(pipeline, spec, "Completed")
            return {**document, "properties": {**properties, "componentSpec": steered}}
        if name is None:
            return document
        if properties.get("jobType") == "Sweep" and isinstance(properties.get("trial"), dict):
            trial = self._with_first_line(name, properties["trial"], "Running")
            return {**document, "properties": {**properties, "trial": trial}}
        if properties.get("jobType") != "Command":
            return document
        return {**document, "properties": self._with_first_line(name, properties, "Completed")}

    def _with_first_line(self, name: str, holder: dict[str, Any], default: str) -> dict[str, Any]:
        if not isinstance(holder.get("command"), str):
            return holder
        end = "Canceled" if name in self.canceled else self._ends.get(name, default)
        return {**holder, "command": f"{_FIRST_LINES[end]}\n{holder['command']}"}


def job_of(exchange: Exchange) -> str | None:
    """Name the job that an exchange speaks of, as it is called in the recording."""
    if found := _JOB.search(exchange.resource):
        return found["name"]
    body = exchange.request_body
    if exchange.resource.endswith("/rundata") and isinstance(body, dict):
        return str(body.get("runId"))
    return None


def status_in(body: Any) -> str | None:
    """Give the status that a job, its details or its run's data tell."""
    if not isinstance(body, dict):
        return None
    for holder in (body.get("properties"), body.get("runMetadata"), body):
        if isinstance(holder, dict) and isinstance(holder.get("status"), str):
            return str(holder["status"])
    return None
