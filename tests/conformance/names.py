"""Names of the recorded session and of the replayed one: what the one called so, the other does so.

A service invents names: accounts, containers, ids of operations, signatures. They come in an
answer, and the client uses them in later requests. The replay learns each pair from the recorded
answer and its own, and asks with its own.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.conformance.shapes import is_masked

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBSCRIPTION: Final = re.compile(
    r"(?P<before>(?:/|%2F)subscriptions(?:/|%2F))(?P<id>[^/%?\"\s]+)", re.IGNORECASE
)
_REGIONAL: Final = re.compile(r"\b[a-z0-9-]+\.api\.azureml(-test)?\.ms\b", re.IGNORECASE)
_BLOB_URL: Final = re.compile(
    r"https://(?P<account>[a-z0-9]+)\.blob\.core\.windows\.net(?::443)?/(?P<container>[^/?]+)"
)
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# A whole value that can only be a name: long, with digits, in lower case, and no word or number.
_NAME: Final = re.compile(r"(?=[a-z0-9-]*[0-9])(?=[0-9-]*[a-z])[a-z0-9][a-z0-9-]{7,}")
_SIGNED: Final = re.compile(r"[?&]sig=")


class Names:
    """Translate what was recorded into the names of the replay.

    Args:
        region: the region of the emulator.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._subscriptions: dict[str, str] = {}
        self._learned: dict[str, str] = {}
        self._operations: dict[str, str] = {}
        self._signatures: dict[tuple[str, str], str] = {}
        self._pattern: re.Pattern[str] | None = None

    def subscription(self, recorded: str) -> str:
        """Give the subscription of the replay for a recorded one: a new one for each file."""
        return self._subscriptions.setdefault(recorded.lower(), str(uuid.uuid4()))

    def text(self, recorded: str) -> str:
        """Translate a text."""
        if self._pattern is not None:
            recorded = self._pattern.sub(lambda found: self._learned[found[0].lower()], recorded)
        recorded = _SUBSCRIPTION.sub(
            lambda found: found["before"] + self.subscription(found["id"]), recorded
        )
        return _REGIONAL.sub(f"{self.region}.api.azureml.ms", recorded)

    def document(self, recorded: Any) -> Any:
        """Translate all texts of a JSON document, its keys among them."""
        if isinstance(recorded, str):
            return self.text(recorded)
        if isinstance(recorded, dict):
            return {self.text(key): self.document(value) for key, value in recorded.items()}
        if isinstance(recorded, list):
            return [self.document(value) for value in recorded]
        return recorded

    def url(self, recorded: str) -> str:
        """Translate the URL of a request, without a signature it may carry."""
        path, _, query = recorded.partition("?")
        known = self._operations.get(_operation_key(recorded))
        if known is not None:
            return known
        return self.text(path) + (f"?{self.text(query)}" if query else "")

    def knows_operation(self, recorded: str) -> bool:
        """Tell whether the operation of a URL was begun in this session."""
        return _operation_key(recorded) in self._operations

    def signature(self, account: str, container: str) -> str | None:
        """Give the query that signs requests to a container of the replay, if one was learned."""
        return self._signatures.get((account, container))

    def own_account(self, recorded: str) -> None:
        """Call a storage account by a new name, unless it is known how it is called."""
        if recorded.lower() not in self._learned:
            self._add(recorded, f"re{uuid.uuid4().hex[:16]}")

    def rename(self, recorded: str, own: str) -> None:
        """Call a job otherwise from now on: recordings hide different names behind one."""
        for before in ("jobs/", "runs/", "dcid."):
            self._add(f"{before}{recorded}", f"{before}{own}")

    def learn(self, recorded: Any, own: Any, spoken: str = "") -> None:
        """Learn from two answers to the same request which names stand for each other.

        Args:
            recorded: the recorded answer.
            own: the answer in the replay.
            spoken: what the client said before: its names are its own, and have to come back.
        """
        if isinstance(recorded, dict) and isinstance(own, dict):
            for key, value in recorded.items():
                self.learn(value, own.get(key), spoken)
        elif isinstance(recorded, list) and isinstance(own, list):
            for before, after in _paired(recorded, own):
                self.learn(before, after, spoken)
        elif isinstance(recorded, str) and isinstance(own, str):
            self._learn_text(recorded, own, spoken)

    def learn_operation(self, recorded: str, own: str) -> None:
        """Learn the URL of an operation, from a header."""
        if "/locations/" not in recorded:
            return
        self._operations[_operation_key(recorded)] = own
        self._learn_text(recorded, own)

    def _learn_text(self, recorded: str, own: str, spoken: str = "") -> None:
        if is_masked(recorded):
            return
        before, after = _BLOB_URL.match(recorded), _BLOB_URL.match(own)
        if before and after:
            self._add(before["account"], after["account"])
            self._add(before["container"], after["container"])
            if _SIGNED.search(own):
                place = after["account"], after["container"]
                self._signatures[place] = urlsplit(own).query
            return
        guids = _GUID.findall(recorded), _GUID.findall(own)
        if len(guids[0]) == len(guids[1]) and _GUID.split(recorded) == _GUID.split(own):
            for old, new in zip(*guids, strict=True):
                if old not in spoken:
                    self._add(old, new)
        elif _NAME.fullmatch(recorded) and _NAME.fullmatch(own) and recorded not in spoken:
            self._add(recorded, own)

    def _add(self, recorded: str, own: str) -> None:
        if recorded == own or self._learned.get(recorded.lower()) == own:
            return
        self._learned[recorded.lower()] = own
        longest = sorted(self._learned, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest))
        whole = rf"(?<![A-Za-z0-9])(?:{alternatives})(?![A-Za-z0-9])"
        self._pattern = re.compile(whole, re.IGNORECASE)


def _paired(recorded: list[Any], own: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Pair the entries of two lists: by their names, or by their places when they have none."""
    named = {each["name"]: each for each in own if isinstance(each, dict) and "name" in each}
    for index, each in enumerate(recorded):
        if isinstance(each, dict) and "name" in each:
            if each["name"] in named:
                yield each, named[each["name"]]
        elif index < len(own):
            yield each, own[index]


def _operation_key(url: str) -> str:
    """Name an operation by its path alone: clients write its query in their own order."""
    split = urlsplit(url)
    if "/locations/" not in split.path:
        return url
    kind = "type=" if "type=" in split.query else ""
    return f"{split.netloc}{split.path}{kind}".lower()
