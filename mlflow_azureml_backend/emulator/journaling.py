"""Requests on their way into the journal: an ASGI application around any other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.asgi import headers_of, host_in
from mlflow_azureml_backend.emulator.faults.injection import STRUCK_BY
from mlflow_azureml_backend.emulator.faults.scope import workspace_in
from mlflow_azureml_backend.emulator.journal import Entry

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mlflow_azureml_backend.emulator.journal import Journal

JOURNAL_PATH: Final = "/_emulator/journal"
"""Where the journal is read; reading it is not written into it."""

ROUTE: Final = "route"
"""The key, in the ASGI scope's `state`, of the template of the route that answers."""

_LONGEST_CLIENT: Final = 200
_LONGEST_PATH: Final = 2000


class Journaling:
    """Write each request to an application into the journal when its answer has ended.

    Args:
        app: the application.
        journal: the journal.
    """

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        if scope["type"] != "http" or scope["path"] == JOURNAL_PATH:
            await self._app(scope, receive, send)
            return
        began, started = time.time(), time.monotonic()
        status: int | None = None
        received = sent = 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, counted_receive, counted_send)
        finally:
            headers = headers_of(scope)
            self._journal.write(
                Entry(
                    time=began,
                    client=headers.get("user-agent", "")[:_LONGEST_CLIENT],
                    method=scope["method"],
                    host=host_in(headers),
                    path=scope["path"][:_LONGEST_PATH],
                    route=scope["state"].get(ROUTE, ""),
                    workspace=workspace_in(scope["path"]),
                    status=status,
                    received=received,
                    sent=0 if scope["method"] == "HEAD" else sent,
                    seconds=round(time.monotonic() - started, 6),
                    faults=tuple(scope["state"].get(STRUCK_BY, ())),
                )
            )
