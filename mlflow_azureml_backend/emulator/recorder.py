"""A recording of the traffic: every exchange with the services, as one line of JSON in a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.asgi import headers_of, raw_path, raw_query, texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LARGEST_BODY: Final = 1 << 20
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-emulator-secret"}
)
_MASKED_FIELDS: Final = (
    "access_token|accountKey|adminUserPassword|client_assertion|clientSecret|client_secret"
    "|id_token|key|password|refresh_token|sasToken|token"
)
_MASK: Final = "REDACTED"
_SECRETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\b(sig=)[^&\"\s<\\]+", re.IGNORECASE), rf"\g<1>{_MASK}"),
    (re.compile(rf'("(?:{_MASKED_FIELDS})"\s*:\s*")(?:[^"\\]|\\.)*'), rf"\g<1>{_MASK}"),
    (re.compile(rf"((?:^|[&?])(?:{_MASKED_FIELDS})=)[^&\s]*"), rf"\g<1>{_MASK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _MASK),
)
_TEXTS: Final = ("json", "xml", "text", "x-www-form-urlencoded")


class Recorder:
    """Pass exchanges on to an application, and write each of them to a file once it is over.

    A line holds `method`, `uri`, `request_headers`, `request_body`, `status`, `response_headers`
    and `response_body`. Bodies of JSON are JSON; of other kinds than text, and of more than 1 MiB,
    only the size is kept: `{"bytes": 123}`. Credentials, tokens, keys and signatures are masked.

    Args:
        application: answers.
        file: the file; what it holds already stays.
    """

    def __init__(self, application: ASGIApp, file: Path) -> None:
        self._application = application
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        asked, answered = _Body(), _Body()
        start: dict[str, Any] = {}

        async def receive_and_keep() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                asked.add(message.get("body", b""))
            return message

        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                answered.add(message.get("body", b""))
                if start and not message.get("more_body", False):
                    # Before its last piece leaves: who has the answer finds it in the file.
                    self._write(scope, asked, start, answered)
            await send(message)

        await self._application(scope, receive_and_keep, send_and_keep)

    def _write(self, scope: Scope, asked: _Body, start: dict[str, Any], answered: _Body) -> None:
        sent, returned = headers_of(scope), texts(start["headers"])
        query = raw_query(scope)
        uri = f"https://{sent.get('host', '')}{raw_path(scope)}" + (f"?{query}" if query else "")
        document = {
            "method": scope["method"],
            "uri": _masked(uri),
            "request_headers": _shown(sent),
            "request_body": asked.shown(sent.get("content-type", "")),
            "status": start["status"],
            "response_headers": _shown(returned),
            "response_body": answered.shown(returned.get("content-type", "")),
        }
        line = json.dumps(document, ensure_ascii=False)
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


class _Body:
    """Gather a body in pieces, as far as it is kept."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _LARGEST_BODY:
            self._kept += piece

    def shown(self, kind: str) -> Any:
        """Give what is written of it; None when there is none.

        Args:
            kind: its content type.
        """
        if not self._size:
            return None
        if self._size > _LARGEST_BODY or not any(text in kind for text in _TEXTS):
            return {"bytes": self._size}
        try:
            text = _masked(self._kept.decode())
        except UnicodeDecodeError:
            return {"bytes": self._size}
        if "json" in kind:
            try:
                return json.loads(text)
            except ValueError:
                pass
        return text


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _masked(text) for name, text in headers.items() if name not in _SECRET_HEADERS}


def _masked(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
