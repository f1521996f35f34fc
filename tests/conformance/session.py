"""One recording, replayed: every exchange in its order, as the client would have it now."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from tests.conformance.allowed import reason_for
from tests.conformance.client import API_VERSION, MANAGEMENT
from tests.conformance.comparison import Difference, compare
from tests.conformance.fates import Fates, job_of, status_in
from tests.conformance.names import Names
from tests.conformance.preparation import NotEmulatedError, Preparation, answered
from tests.conformance.recording import WORKSPACE_PATH, Exchange
from tests.conformance.shapes import TERMINAL, is_masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.conformance.client import Answer, Client

SAME: Final = "same"
ALLOWED: Final = "allowed"
UNSUPPORTED: Final = "unsupported"
DIFFERENT: Final = "DIFFERENT"

_WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_BEFORE: Final = frozenset({"NotStarted", "Starting"})
_FAULTS: Final = frozenset({429, *range(500, 600)})
_SENT_AGAIN: Final = (
    "accept",
    "content-type",
    "content-md5",
    "if-match",
    "if-none-match",
    "range",
)
_FAULT: Final = (
    "The recorded service was busy or failed here; the emulator does so when it is told to."
)
_SOONER: Final = "What the recorded client still waited for was done in the emulator."
_ENDED_OTHERWISE: Final = "A job that is canceled may have come to another end just before."
_BEGUN_BEFORE: Final = "This operation was not begun in this recording, so nothing is known of it."
_NO_WORKSPACE: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/recorded"
    "/providers/Microsoft.MachineLearningServices/workspaces/recorded"
)


@dataclass(frozen=True)
class Result:
    """What came of one exchange.

    Args:
        exchange: the recorded exchange.
        verdict: `same`, `allowed`, `unsupported` or `DIFFERENT`.
        reasons: why it is allowed or unsupported.
        differences: those that nothing explains.
    """

    exchange: Exchange
    verdict: str
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = field(default=())


class Session:
    """Replay one recording in a workspace of its own.

    Args:
        client: asks the emulator.
        make_workspace: makes a workspace, by subscription, resource group and name.
        region: the region of the emulator.
        exchanges: the recording.
    """

    def __init__(
        self,
        client: Client,
        make_workspace: Callable[[str, str, str], None],
        region: str,
        exchanges: Sequence[Exchange],
    ) -> None:
        self._client = client
        self._make_workspace = make_workspace
        self._names = Names(region)
        self._exchanges = exchanges
        self._fates = Fates(exchanges)
        self._workspace = _workspace_of(exchanges)
        self._preparation = Preparation(
            client, self._names, self._fates, self._workspace, exchanges
        )
        self._not_emulated: dict[str, str] = {}
        self._created: set[str] = set()
        self._spoken = ""

    def run(self) -> Iterator[Result]:
        """Replay all exchanges, one after the other."""
        self._open_workspaces()
        self._learn_places()
        for exchange in self._exchanges:
            yield self._replayed(exchange)
            self._remember(exchange)

    def _open_workspaces(self) -> None:
        found = (WORKSPACE_PATH.search(exchange.path) for exchange in self._exchanges)
        parts = {match.groups() for match in found if match}
        missing = {
            exchange.path.lower()
            for exchange in self._exchanges
            if exchange.route == "GET {WS}" and exchange.status == 404
        }
        for subscription, group, name in parts or {_parts(_NO_WORKSPACE)}:
            path = (
                f"/subscriptions/{subscription}/resourceGroups/{group}"
                f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
            )
            if path.lower() not in missing:
                self._make_workspace(self._names.subscription(subscription), group, name)

    def _learn_places(self) -> None:
        """Learn from the start how the workspace's own accounts and containers are called.

        Accounts of others are given new names: each replay finds them empty.
        """
        for exchange in self._exchanges:
            known = exchange.route in {
                "GET {WS}",
                "GET {WS}/datastores",
                "GET {WS}/datastores/workspaceblobstore",
                "GET {WS}/datastores/workspaceartifactstore",
            }
            if known and exchange.status == 200:
                answer = self._client.send("GET", self._names.url(exchange.url))
                if answer.status == 200:
                    self._learn(exchange, answer)
        for exchange in self._exchanges:
            if exchange.is_blob:
                self._names.own_account(exchange.account)

    def _replayed(self, exchange: Exchange) -> Result:
        if result := self._not_asked(exchange):
            return result
        self._name_anew(exchange)
        try:
            self._preparation.before(exchange)
        except NotEmulatedError as error:
            return self._unsupported(exchange, str(error))
        self._await_job(exchange)
        answer = self._send(exchange)
        if reason := answer.not_emulated:
            return self._unsupported(exchange, reason)
        answer, is_ahead = self._caught_up(exchange, answer)
        self._learn(exchange, answer)
        if is_ahead:
            return Result(exchange, ALLOWED, (_SOONER,))
        return self._judged(exchange, answer)

    def _not_asked(self, exchange: Exchange) -> Result | None:
        """Tell the result of an exchange that need not be compared, or None."""
        if reason := self._builds_on_unsupported(exchange):
            return self._unsupported(exchange, reason, because=reason)
        if exchange.status in _FAULTS:
            if exchange.method in {"PUT", "POST"} and self._arrived(exchange):
                self._preparation.before(exchange)
                self._send(exchange)
            return Result(exchange, ALLOWED, (_FAULT,))
        if _is_operation(exchange) and not self._names.knows_operation(exchange.url):
            return Result(exchange, UNSUPPORTED, (_BEGUN_BEFORE,))
        return None

    def _judged(self, exchange: Exchange, answer: Answer) -> Result:
        headers = {name: self._names.text(text) for name, text in exchange.headers.items()}
        recorded, left_out = self._without_left_out(exchange.body)
        body = self._names.document(self._fates.steered(job_of(exchange), recorded))
        found = compare(exchange, headers, body, answer, self._known(exchange))
        explained = [(difference, self._reason(exchange, difference)) for difference in found]
        unexplained = tuple(difference for difference, reason in explained if reason is None)
        reasons = (*left_out, *(reason for _, reason in explained if reason is not None))
        given = tuple(dict.fromkeys(reasons))
        if unexplained:
            return Result(exchange, DIFFERENT, given, unexplained)
        return Result(exchange, ALLOWED if given else SAME, given)

    def _reason(self, exchange: Exchange, difference: Difference) -> str | None:
        is_end = difference.field.endswith("status") and difference.recorded in TERMINAL
        if is_end and difference.answered in TERMINAL and job_of(exchange) in self._fates.canceled:
            return _ENDED_OTHERWISE
        return reason_for(exchange, difference)

    def _without_left_out(self, body: Any) -> tuple[Any, list[str]]:
        """Leave out of a list what the emulator does not emulate, and say why."""
        left_out = self._preparation.left_out
        if not isinstance(body, dict) or not isinstance(body.get("value"), list) or not left_out:
            return body, []
        ids = [each.get("id") if isinstance(each, dict) else None for each in body["value"]]
        kept = [each for each, name in zip(body["value"], ids, strict=True) if name not in left_out]
        return {**body, "value": kept}, [left_out[name] for name in ids if name in left_out]

    def _send(self, exchange: Exchange) -> Answer:
        url = self._own_url(exchange)
        headers = {
            name: self._names.text(text)
            for name, text in exchange.request_headers.items()
            if name.lower() in _SENT_AGAIN or name.lower().startswith("x-ms-")
        }
        if exchange.is_blob or isinstance(exchange.request_body, str):
            body = exchange.sent_bytes()
            if exchange.is_blob and exchange.method == "PUT":
                body = body or b""
            return self._client.send(exchange.method, url, headers=headers, body=body)
        if exchange.request_body is None:
            return self._client.send(exchange.method, url, headers=headers)
        return self._client.json(exchange.method, url, self._own_body(exchange))

    def _own_url(self, exchange: Exchange) -> str:
        url = self._names.url(exchange.url)
        if not exchange.is_blob or "sig=" not in exchange.url:
            return url
        # The recorded signature is worth nothing here; its container has one of its own, or none.
        split = urlsplit(url)
        account, container = (split.hostname or "").partition(".")[0], split.path.split("/")[1]
        kept = [
            f"{name}={quote(value)}"
            for name, value in exchange.query.items()
            if name in {"comp", "restype", "prefix", "delimiter", "include", "marker"}
        ]
        signature = self._names.signature(account, container)
        query = "&".join([*kept, *([signature] if signature else [])])
        return f"{split.scheme}://{split.netloc}{split.path}" + (f"?{query}" if query else "")

    def _own_body(self, exchange: Exchange) -> Any:
        return self._names.document(self._fates.steered(job_of(exchange), exchange.request_body))

    def _known(self, exchange: Exchange) -> list[Any]:
        """Give what the session wrote to this resource, which comes back as it was written."""
        path = self._names.text(exchange.path).lower()
        known = list(self._preparation.known.get(path, ()))
        sent = exchange.request_body
        if exchange.method in {"PUT", "PATCH"} and isinstance(sent, dict) and not exchange.is_blob:
            known.append(self._own_body(exchange))
        segments = [unquote(part) for part in self._names.text(exchange.path).split("/") if part]
        identity = {"name": segments[-1], "id": self._names.text(exchange.path)} if segments else {}
        return [*known, identity]

    def _learn(self, exchange: Exchange, answer: Answer) -> None:
        for name in ("Location", "Azure-AsyncOperation"):
            if name in exchange.headers and name in answer.headers:
                self._names.learn_operation(exchange.headers[name], answer.headers[name])
        if exchange.status == answer.status < 300:
            self._spoken += f"{exchange.url}\n{exchange.request_body}\n"
            self._names.learn(exchange.body, answered(answer), self._spoken)

    def _remember(self, exchange: Exchange) -> None:
        writes = exchange.method in {"PUT", "DELETE", "PATCH"}
        if writes and exchange.status < 300:
            self._preparation.settle(exchange)
            if exchange.method == "PUT" and isinstance(exchange.request_body, dict):
                path = self._names.text(exchange.path).lower()
                if not exchange.is_blob:
                    self._preparation.known[path] = [self._own_body(exchange)]
        if exchange.method == "PUT" and exchange.status == 201:
            self._created.add(exchange.path)

    def _name_anew(self, exchange: Exchange) -> None:
        """Tell jobs apart whose names the recorder replaced by one and the same placeholder."""
        job = job_of(exchange)
        again = exchange.path in self._created and exchange.status == 201
        if job and again and exchange.method == "PUT" and is_masked(job):
            self._names.rename(job, f"{job}-{exchange.number}")

    def _arrived(self, fault: Exchange) -> bool:
        """Tell whether a write that was answered with a fault was done all the same."""
        later = (
            exchange
            for exchange in self._exchanges[fault.number + 1 :]
            if exchange.path == fault.path and exchange.status not in _FAULTS
        )
        following = next(later, None)
        return following is not None and following.status == 200

    def _await_job(self, exchange: Exchange) -> None:
        """Wait for the end of a job where the recorded one had ended."""
        job = job_of(exchange)
        status = status_in(exchange.body)
        ended = status in TERMINAL or (exchange.path.endswith("/cancel") and exchange.status == 400)
        begun = status is not None and status not in _BEFORE
        if job is None or not (ended or begun) or exchange.method == "PUT":
            return
        own = self._names.text(f"{self._workspace}/jobs/{job}")
        url = f"{MANAGEMENT}{own}?api-version={API_VERSION}"

        def goes_on() -> bool:
            answer = self._client.send("GET", url)
            own = status_in(answered(answer))
            return answer.status == 200 and own not in TERMINAL and (ended or own in _BEFORE)

        _wait_while(goes_on)

    def _caught_up(self, exchange: Exchange, answer: Answer) -> tuple[Answer, bool]:
        """Ask for an operation until it is as far as recorded; tell whether it is farther."""
        if not _is_operation(exchange):
            return answer, False
        last = [answer]

        def lags() -> bool:
            if _progress(last[0].status, answered(last[0])) < wanted:
                last[0] = self._send(exchange)
            return _progress(last[0].status, answered(last[0])) < wanted

        wanted = _progress(exchange.status, exchange.body)
        _wait_while(lags)
        is_ahead = _progress(last[0].status, answered(last[0])) > wanted
        return last[0], is_ahead and last[0].status < 300

    def _unsupported(self, exchange: Exchange, reason: str, because: str = "") -> Result:
        own = because or f"It builds on exchange {exchange.number}, which is not emulated."
        if exchange.method == "PUT" or job_of(exchange):
            self._not_emulated[exchange.path.lower()] = own
        if job := job_of(exchange):
            self._not_emulated[f"/{job}".lower()] = own
        if isinstance(exchange.body, dict) and isinstance(exchange.body.get("id"), str):
            self._not_emulated[exchange.body["id"].lower()] = own
            self._not_emulated[f"/{exchange.body.get('name')}".lower()] = own
        for name in ("Location", "Azure-AsyncOperation"):
            if name in exchange.headers:
                self._not_emulated[urlsplit(exchange.headers[name]).path.lower()] = own
        return Result(exchange, UNSUPPORTED, (reason,))

    def _builds_on_unsupported(self, exchange: Exchange) -> str | None:
        job = f"/{job_of(exchange)}".lower()
        path = exchange.path.lower()
        asked = json.dumps(exchange.request_body).lower() if exchange.is_regional else ""
        for known, reason in self._not_emulated.items():
            if path == known or path.startswith(f"{known}/") or job == known:
                return reason
            if re.search(rf"(?<![a-z0-9]){re.escape(known.strip('/'))}(?![a-z0-9])", asked):
                return reason
        return None


def _is_operation(exchange: Exchange) -> bool:
    return exchange.method == "GET" and "/locations/" in exchange.path


def _progress(status: int, body: Any) -> int:
    """Rank what an operation answers: it goes on, or it is over."""
    if status == 202:
        return 0
    said = body.get("status") if isinstance(body, dict) else None
    return 1 if said in {None, "Succeeded", "Failed", "Canceled"} else 0


def _wait_while(goes_on: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while goes_on() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _workspace_of(exchanges: Sequence[Exchange]) -> str:
    """Give the path of the first workspace that a recording speaks of."""
    for exchange in exchanges:
        if found := WORKSPACE_PATH.search(exchange.path):
            return found[0]
    return _NO_WORKSPACE


def _parts(path: str) -> tuple[str, ...]:
    found = WORKSPACE_PATH.search(path)
    return found.groups() if found else ()
