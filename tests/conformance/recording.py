"""Recordings of traffic between azure-ai-ml and the service: their files, read and told apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

FOLDER: Final = Path(__file__).parents[3] / "shared" / "recordings"
"""Where recordings lie beside a checkout of this project."""

WORKSPACE_PATH: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/?]+)/resourceGroups/(?P<group>[^/?]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/?]+)",
    re.IGNORECASE,
)
"""A workspace in a URL."""

_BLOB_HOST: Final = ".blob.core.windows.net"
_API_HOST: Final = re.compile(r"[a-z0-9-]+\.api\.azureml(-test)?\.ms")


class RecordingError(Exception):
    """A file is no recording; the message says what is missing."""


@dataclass(frozen=True)
class Exchange:
    """One recorded request and what the service answered.

    Args:
        number: its place in the file, from 0.
        method: the HTTP method.
        url: the whole URL.
        request_headers: the headers that were recorded; never `Authorization`.
        request_body: JSON, text, or None.
        status: the HTTP status.
        headers: the headers of the answer that were recorded.
        body: JSON, text, or None.
    """

    number: int
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: Any
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def host(self) -> str:
        return (urlsplit(self.url).hostname or "").lower()

    @property
    def path(self) -> str:
        """The path, percent-encoded, without the query."""
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        split = parse_qs(urlsplit(self.url).query, keep_blank_values=True)
        return {name: values[-1] for name, values in split.items()}

    @property
    def is_blob(self) -> bool:
        return self.host.endswith(_BLOB_HOST)

    @property
    def is_regional(self) -> bool:
        """The regional host is asked: run history, discovery and their kin."""
        return _API_HOST.fullmatch(self.host) is not None

    @property
    def account(self) -> str:
        return self.host.partition(".")[0]

    @cached_property
    def resource(self) -> str:
        """The path below the workspace, or the whole path where there is none."""
        found = WORKSPACE_PATH.search(self.path)
        return self.path[found.end() :] if found else self.path

    @cached_property
    def route(self) -> str:
        """Method and path, with `{WS}` for the workspace, `{API}` and `{BLOB}` for hosts."""
        path = WORKSPACE_PATH.sub("{WS}", self.path)
        if self.is_blob:
            path = f"{{BLOB}}{path}"
        elif self.is_regional:
            path = f"{{API}}{path}"
        elif self.host != "management.azure.com":
            path = f"{self.host}{path}"
        return f"{self.method} {path}"

    @property
    def label(self) -> str:
        """The route with the query's operation, short enough for a table."""
        kept = {name: self.query[name] for name in ("restype", "comp") if name in self.query}
        query = "&".join(f"{name}={value}" for name, value in kept.items())
        return f"{self.route}?{query}" if query else self.route

    def sent_bytes(self) -> bytes | None:
        """Give the body as it went over the wire; text that was cut is filled up."""
        return None if self.request_body is None else wire_bytes(self.request_body)


def read(file: Path) -> list[Exchange]:
    """Read the exchanges of a recording.

    Raises:
        RecordingError: it is none.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{file} cannot be read as a recording: {error}") from None
    entries = document.get("entries") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise RecordingError(f"{file} has no list of `entries`.")
    return [exchange(number, entry, file) for number, entry in enumerate(entries)]


def exchange(number: int, entry: Any, file: Path | str = "the recording") -> Exchange:
    """Read one entry.

    Raises:
        RecordingError: it is none.
    """
    if not isinstance(entry, dict):
        raise RecordingError(f"Entry {number} of {file} is no object.")
    missing = [name for name in ("method", "uri", "status") if name not in entry]
    if missing:
        raise RecordingError(f"Entry {number} of {file} has no {' and no '.join(missing)}.")
    return Exchange(
        number=number,
        method=str(entry["method"]).upper(),
        url=str(entry["uri"]),
        request_headers=_texts(entry.get("request_headers")),
        request_body=entry.get("request_body"),
        status=int(entry["status"]),
        headers=_texts(entry.get("response_headers")),
        body=_joined(entry.get("response_body"), _texts(entry.get("response_headers"))),
    )


def wire_bytes(body: Any) -> bytes:
    """Give a recorded body as bytes: the recorder keeps texts short, and binary not at all."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict) and (size := _size(body)) is not None:
        text = str(body.get("preview", "")).encode()
        return text[:size].ljust(size, b"\n")
    return json.dumps(body).encode()


def blob_size(body: Any) -> int | None:
    """Give the size of a body that was recorded by its size alone, in bytes."""
    return _size(body) if isinstance(body, dict) else None


def _size(body: dict[str, Any]) -> int | None:
    for name in ("__base64_text_bytes", "__base64_binary_bytes"):
        if name in body:
            return int(body[name])
    return None


def _texts(headers: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in (headers or {}).items()}


def _joined(body: Any, headers: dict[str, str]) -> Any:
    """Put texts together that the recorder split into lines."""
    is_json = "json" in headers.get("Content-Type", "")
    if isinstance(body, list) and not is_json and all(isinstance(line, str) for line in body):
        return "".join(body)
    return body
