"""Two answers side by side: the service's as it was recorded, and the emulator's."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from tests.conformance.recording import blob_size
from tests.conformance.shapes import TERMINAL, is_masked, is_run_status, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.conformance.client import Answer
    from tests.conformance.recording import Exchange

_ABSENT: Final = object()
# Headers that make a client do something: none may be there that the service did not send.
_TELLING: Final = (
    "Location",
    "Azure-AsyncOperation",
    "Content-Range",
    "x-ms-error-code",
)
# What went over the wire differs with the values; blobs are told of below.
_NOT_COMPARED: Final = frozenset({"content-length", "x-request-time"})
_NUMBERS: Final = (int, float)
_REQUEST_ID: Final = re.compile(r"RequestId:\S+\s+Time:\S+")


@dataclass(frozen=True)
class Difference:
    """One place in which two answers differ.

    Args:
        field: where: `status`, `header NAME`, or a path into the body, as `properties.tags.a`.
        kind: `status`, `missing`, `type`, `value` (determined by the session), `pattern`
            (another kind of volatile value), `default` (the service's own choice) or `extra`.
        recorded: what the service sent.
        answered: what the emulator sent.
    """

    field: str
    kind: str
    recorded: Any
    answered: Any

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.field}: is missing; the service sent {_short(self.recorded)}"
        if self.kind == "extra":
            return f"{self.field}: the service sent none, and the emulator {_short(self.answered)}"
        return (
            f"{self.field}: {_short(self.recorded)} was recorded, "
            f"{_short(self.answered)} is answered ({self.kind})"
        )


def compare(
    exchange: Exchange,
    headers: Mapping[str, str],
    body: Any,
    answer: Answer,
    known: Sequence[Any] = (),
) -> list[Difference]:
    """Compare an answer with the recorded one.

    Args:
        exchange: the recorded exchange.
        headers: its answer's headers, in the names of the replay.
        body: its answer's body, in the names of the replay.
        answer: the emulator's answer.
        known: documents the session itself wrote to this resource, in the names of the replay:
            what the service echoed of them, the emulator has to echo too.
    """
    if exchange.status != answer.status:
        said = f"{answer.status} {answer.text[:300]}".strip()
        return [Difference("status", "status", exchange.status, said)]
    found = list(_headers(exchange, headers, answer))
    found.extend(_bodies(exchange, body, answer, known))
    return found


def _headers(
    exchange: Exchange, recorded: Mapping[str, str], answer: Answer
) -> Iterator[Difference]:
    for name, text in recorded.items():
        if name.lower() not in _NOT_COMPARED:
            yield from _header(name, text, answer.headers.get(name))
    lower = {name.lower() for name in recorded}
    for name in _TELLING:
        if name.lower() not in lower and name in answer.headers:
            yield Difference(f"header {name}", "extra", None, answer.headers[name])
    length, own = recorded.get("Content-Length"), answer.headers.get("Content-Length")
    is_content = exchange.is_blob and exchange.status in {200, 201, 206}
    if is_content and length is not None and length != own:
        yield Difference("header Content-Length", "value", length, own)
    elif length == "0" and answer.content:
        yield Difference("body", "extra", None, answer.text[:200])


def _header(name: str, text: str, own: str | None) -> Iterator[Difference]:
    if own is None:
        yield Difference(f"header {name}", "missing", text, None)
    elif name.lower().startswith("x-ms-meta-"):
        if text != own:
            yield Difference(f"header {name}", "value", text, own)
    elif shape(text).lower() != shape(own).lower() and not is_masked(text):
        yield Difference(f"header {name}", "pattern", text, own)


def _bodies(
    exchange: Exchange, recorded: Any, answer: Answer, known: Sequence[Any]
) -> Iterator[Difference]:
    if blob_size(recorded) is not None:
        yield from _contents(exchange, recorded, answer)
    elif recorded is None or recorded == "":
        if answer.content and exchange.method != "HEAD":
            yield Difference("body", "extra", None, answer.text[:200])
    elif isinstance(recorded, str) and recorded.lstrip("\ufeff").startswith("<?xml"):
        try:
            own = read_xml(answer.content.decode("utf-8-sig"))
        except (ET.ParseError, UnicodeError):
            yield Difference("body", "type", "XML", answer.text[:200])
            return
        yield from _values("", read_xml(recorded), own, ())
    else:
        yield from _texts(exchange, recorded, answer, known)


def _texts(
    exchange: Exchange, recorded: Any, answer: Answer, known: Sequence[Any]
) -> Iterator[Difference]:
    """Compare JSON, and texts of no known kind."""
    is_json = "json" in exchange.headers.get("Content-Type", "") or not isinstance(recorded, str)
    if not is_json:
        if shape(recorded) != shape(answer.text):
            yield Difference("body", "value", recorded[:200], answer.text[:200])
        return
    if isinstance(recorded, str):
        with contextlib.suppress(ValueError):
            recorded = json.loads(recorded)
    try:
        own = json.loads(answer.content)
    except ValueError:
        yield Difference("body", "type", "JSON", answer.text[:200])
        return
    yield from _values("", recorded, own, tuple(known))


def _contents(exchange: Exchange, recorded: Any, answer: Answer) -> Iterator[Difference]:
    """Compare what was recorded by its size, and by its beginning where that is text."""
    size = blob_size(recorded)
    if size != len(answer.content):
        yield Difference("body", "value", f"{size} bytes", f"{len(answer.content)} bytes")
    elif "preview" in recorded and exchange.is_blob:
        preview = str(recorded["preview"])
        if not answer.content.decode("utf-8", "replace").startswith(preview):
            yield Difference("body", "value", preview, answer.text)


def _values(path: str, recorded: Any, own: Any, known: tuple[Any, ...]) -> Iterator[Difference]:
    """Tell the differences below one field; `known` is what the session wrote there."""
    where = path or "body"
    if recorded is None:
        if own is not None:
            yield Difference(where, "type", recorded, own)
    elif _is_scalar(recorded) and any(
        _same_type(recorded, value) and recorded == value for value in known
    ):
        if recorded != own:
            yield Difference(where, "value", recorded, own)
    elif not _same_type(recorded, own):
        yield Difference(where, "type", recorded, own)
    elif isinstance(recorded, dict):
        for name, value in recorded.items():
            below = f"{path}.{name}" if path else name
            if name not in own:
                yield Difference(below, "missing", value, None)
            else:
                yield from _values(below, value, own[name], _below(known, name))
    elif isinstance(recorded, list):
        yield from _lists(path, recorded, own, known)
    else:
        yield from _scalars(where, recorded, own)


def _scalars(where: str, recorded: Any, own: Any) -> Iterator[Difference]:
    if recorded == own:
        return
    if not isinstance(recorded, str):
        yield Difference(where, "default", recorded, own)
        return
    if is_masked(recorded):
        return
    if is_run_status(recorded) and is_run_status(own):
        # What goes on is not raced; how it ended does not change.
        if recorded in TERMINAL and own in TERMINAL:
            yield Difference(where, "value", recorded, own)
        return
    recorded, own = _REQUEST_ID.sub("<request>", recorded), _REQUEST_ID.sub("<request>", own)
    shaped = shape(recorded)
    if shaped != shape(own):
        yield Difference(where, "default" if shaped == recorded else "pattern", recorded, own)


def _lists(
    path: str, recorded: list[Any], own: list[Any], known: tuple[Any, ...]
) -> Iterator[Difference]:
    where = path or "body"
    identity = next(
        (
            key
            for key in ("id", "name", "type", "Name")
            if recorded and all(isinstance(each, dict) and key in each for each in recorded)
        ),
        None,
    )
    if identity is None:
        if len(recorded) != len(own):
            yield Difference(where, "default", recorded, own)
            return
        for index, (before, after) in enumerate(zip(recorded, own, strict=True)):
            yield from _values(f"{where}[{index}]", before, after, ())
        return
    found = {str(each.get(identity)).lower(): each for each in own if isinstance(each, dict)}
    for each in recorded:
        name = str(each[identity])
        key = f"{where}[{name.rpartition('/workspaces/')[2].partition('/')[2] or name}]"
        if name.lower() not in found:
            yield Difference(key, "missing", each, None)
        else:
            yield from _values(key, each, found[name.lower()], known)


def _below(known: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    return tuple(each[name] for each in known if isinstance(each, dict) and name in each)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _same_type(recorded: Any, own: Any) -> bool:
    if isinstance(recorded, bool) or isinstance(own, bool):
        return isinstance(recorded, bool) and isinstance(own, bool)
    if isinstance(recorded, _NUMBERS):
        return isinstance(own, _NUMBERS)
    return type(recorded) is type(own)


def read_xml(text: str) -> Any:
    """Read XML as a document, as JSON is one: by the names of its elements.

    Raises:
        xml.etree.ElementTree.ParseError: it is none.
    """
    return _element(ET.fromstring(text.lstrip("\ufeff")))


def _element(element: ET.Element) -> Any:
    children = list(element)
    if element.tag == "Blobs":
        return [_element(child) for child in children]
    fields: dict[str, Any] = {f"@{name}": text for name, text in element.attrib.items()}
    if not children and not fields:
        return element.text or ""
    return fields | {child.tag: _element(child) for child in children}


def _short(value: Any) -> str:
    text = json.dumps(value, default=str) if value is not _ABSENT else "nothing"
    return text if len(text) <= 160 else f"{text[:157]}..."
