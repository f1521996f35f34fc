"""Documents that tell of a job what is not true any more: late, twice, or out of order."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mlflow_azureml_backend.emulator.faults.plan import ActiveFault

_OK: Final = 200
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    moment: float
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def status(self) -> Any:
        """Give the status of the job or run that the answer tells of."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return None
        if not isinstance(document, dict):
            return None
        inner = document.get("properties")
        found = document.get("status")
        return inner.get("status") if found is None and isinstance(inner, dict) else found


@dataclass(slots=True)
class _Course:
    """What was true at each request, and what is to be told before the truth again."""

    answers: list[_Answer] = field(default_factory=list)
    told: _Answer | None = None
    owed: list[_Answer] = field(default_factory=list)


def told_otherwise(active: ActiveFault, app: ASGIApp) -> ASGIApp:
    """Let an application tell of each job what the fault wants, of all that was true so far.

    Only answers 200 are kept and told; all others pass as they are.
    """

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        start: dict[str, Any] = {}
        body = bytearray()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await app(scope, receive, keep)
        if not start:
            return
        answer = _Answer(moment=time.monotonic(), headers=list(start["headers"]), body=bytes(body))
        if start["status"] == _OK:
            course = active.memory.setdefault(scope["path"], _Course())
            course.answers = [*course.answers[-_KEPT:], answer]
            answer = _CHOICES[active.fault.effect](active, course)
        await send({**start, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    return tell


def _late_by_seconds(active: ActiveFault, course: _Course) -> _Answer:
    latest = time.monotonic() - float(active.fault.value)
    known = [answer for answer in course.answers if answer.moment <= latest]
    return known[-1] if known else course.answers[0]


def _late_by_answers(active: ActiveFault, course: _Course) -> _Answer:
    return course.answers[max(0, len(course.answers) - 1 - int(active.fault.value))]


def _disordered(active: ActiveFault, course: _Course) -> _Answer:
    if course.owed:
        return course.owed.pop(0)
    answer, former = course.answers[-1], course.told
    course.told = answer
    if former is None or former.status != answer.status:
        if active.fault.value == "duplicate":
            course.owed = [answer]
        elif former is not None:
            course.owed = [former]
    return answer


_CHOICES: Final[Mapping[str, Any]] = {
    "lag": _late_by_seconds,
    "lag_answers": _late_by_answers,
    "status_order": _disordered,
}
