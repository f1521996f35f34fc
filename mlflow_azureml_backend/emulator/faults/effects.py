"""What faults do to a request: each effect wraps the application that would answer it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator import answers
from mlflow_azureml_backend.emulator.asgi import headers_of, texts
from mlflow_azureml_backend.emulator.blob_view import narrowed
from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError
from mlflow_azureml_backend.emulator.faults.logs import NARROWINGS
from mlflow_azureml_backend.emulator.faults.refusals import (
    blob_error,
    expired_signature,
    nginx_page,
    service_error,
    sign_in_response,
)
from mlflow_azureml_backend.emulator.faults.scope import asked
from mlflow_azureml_backend.emulator.faults.telling import told_otherwise
from mlflow_azureml_backend.emulator.http_protocol import transport_of
from mlflow_azureml_backend.emulator.lifetimes import issuing
from mlflow_azureml_backend.emulator.resets import reset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.faults.plan import ActiveFault

    Effect = Callable[[ActiveFault, ASGIApp, Emulation], ASGIApp]

_PIECES_A_SECOND: Final = 10


def _status(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    options = active.fault.options

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if options.get("handled"):
            await app(scope, receive, _nowhere)
        response = _failure(int(active.fault.value), options, scope, emulation)
        if (seconds := options.get("retry_after")) is not None:
            response.headers["Retry-After"] = f"{seconds:g}"
        await response(scope, receive, send)

    return answer


def _failure(
    status: int, options: Mapping[str, Any], scope: Scope, emulation: Emulation
) -> Response:
    service = asked(scope).service
    if options.get("html"):
        return nginx_page(status)
    if service == "login":
        return sign_in_response(status)
    error: ServiceError | BlobError
    if service == "blob":
        error = blob_error(status)
    else:
        error = service_error(status, options.get("retry_after"))
    return _refusal(error, service, scope, emulation)


def _refusal(
    error: ServiceError | BlobError, service: str, scope: Scope, emulation: Emulation
) -> Response:
    region, headers = emulation.settings.region, headers_of(scope)
    response = answers.refusal(error, method=scope["method"], headers=headers, region=region)
    answers.mark(response, service, headers, region=region, seconds=0.0)
    return response


def _reset(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation

    async def end(scope: Scope, receive: Receive, send: Send) -> None:
        del send
        if active.fault.value == "after":
            await app(scope, receive, _nowhere)
        reset(transport_of(scope))
        await _until_gone(receive)

    return end


def _hang(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del app, emulation
    value = active.fault.value
    seconds = None if value is True else float(value)

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        del send
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_until_gone(receive), seconds)
        reset(transport_of(scope))
        await _until_gone(receive)

    return hang


def _latency(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    jitter = float(active.fault.options.get("jitter", 0))
    seconds = float(active.fault.value) + active.random.uniform(-jitter, jitter)

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(max(seconds, 0.0))
        await app(scope, receive, send)

    return wait


def _slow(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    rate = int(active.fault.value)
    size = max(1, rate // _PIECES_A_SECOND)

    async def dribble(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_slowly(message: Message) -> None:
            body = message.get("body", b"")
            while len(body) > size:
                await send({**message, "body": body[:size], "more_body": True})
                body = body[size:]
                await asyncio.sleep(size / rate)
            await send({**message, "body": body} if "body" in message else message)

        await app(scope, receive, send_slowly)

    return dribble


def _truncate(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    value = active.fault.value

    async def end_early(scope: Scope, receive: Receive, send: Send) -> None:
        left: int | None = None if value is True else int(value)
        ended = False

        async def send_some(message: Message) -> None:
            nonlocal left, ended
            if ended:
                return
            if message["type"] == "http.response.start":
                if left is None:
                    left = _promised(message) // 2
                await send(message)
                return
            body: bytes = message.get("body", b"")
            if left is None or len(body) <= left:
                left = None if left is None else left - len(body)
                await send(message)
                return
            ended = True
            await send({**message, "body": body[:left], "more_body": True})
            transport_of(scope).close()

        await app(scope, receive, send_some)
        if ended:
            await _until_gone(receive)

    return end_early


def _expired_token(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del active, app

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        service = asked(scope).service
        error: ServiceError | BlobError = emulation.identity.expired()
        if service == "blob":
            error = BlobError(
                401, "InvalidAuthenticationInfo", error.message, headers=error.headers
            )
        elif service != "arm":
            error = ServiceError(
                401,
                "UserError",
                error.message,
                inner=("Authorization", "InvalidOrExpiredToken"),
                headers=error.headers,
            )
        await _refusal(error, service, scope, emulation)(scope, receive, send)

    return refuse


def _expired_sas(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del active, app

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await _refusal(expired_signature(), "blob", scope, emulation)(scope, receive, send)

    return refuse


def _lifetime(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    which = "tokens" if active.fault.effect == "token_lifetime" else "signatures"
    lifetime = timedelta(seconds=float(active.fault.value))

    async def issue(scope: Scope, receive: Receive, send: Send) -> None:
        with issuing(**{which: lifetime}):
            await app(scope, receive, send)

    return issue


def _log(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    narrowing = NARROWINGS[active.fault.effect]

    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        with narrowed(narrowing(active, scope["path"], reads=scope["method"] == "GET")):
            await app(scope, receive, send)

    return show


def _telling(active: ActiveFault, app: ASGIApp, emulation: Emulation) -> ASGIApp:
    del emulation
    return told_otherwise(active, app)


EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType(
    {
        "status": _status,
        "reset": _reset,
        "hang": _hang,
        "expired_token": _expired_token,
        "expired_sas": _expired_sas,
        "latency": _latency,
        "slow": _slow,
        "truncate": _truncate,
        "token_lifetime": _lifetime,
        "sas_lifetime": _lifetime,
        "log_fragments": _log,
        "log_truncated": _log,
        "log_rotated": _log,
        "lag": _telling,
        "lag_answers": _telling,
        "status_order": _telling,
    }
)
"""The functions behind the effects, by the names of `fault.EFFECTS`."""


async def _nowhere(message: Message) -> None:
    del message


async def _until_gone(receive: Receive) -> None:
    """Read until the client has left, so that the server does not miss an answer."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _promised(message: Message) -> int:
    return int(texts(message["headers"]).get("content-length", 0))
