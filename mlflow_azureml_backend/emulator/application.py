"""The emulator as an ASGI application: finds the route of a request and answers it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from mlflow_azureml_backend.emulator import answers
from mlflow_azureml_backend.emulator import routes as package
from mlflow_azureml_backend.emulator.api_version import check_api_version
from mlflow_azureml_backend.emulator.asgi import headers_of, host_in, raw_path, raw_query
from mlflow_azureml_backend.emulator.authentication import (
    front_principal,
    management_principal,
    workspace_principal,
)
from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError
from mlflow_azureml_backend.emulator.hosts import service_of
from mlflow_azureml_backend.emulator.journaling import ROUTE
from mlflow_azureml_backend.emulator.request_body import (
    ClientGoneError,
    read_body,
    streamed_body,
)
from mlflow_azureml_backend.emulator.routing import Call, Route, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from mlflow_azureml_backend.emulator.activity import Activity
    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.identity import Principal

_LOGGER: Final = logging.getLogger(__name__)

_WORKERS: Final = 64
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def all_routes() -> tuple[Route, ...]:
    """Give the `ROUTES` of all modules in `routes`, in the order in which they are tried."""
    modules = (
        import_module(f"{package.__name__}.{found.name}")
        for found in iter_modules(package.__path__)
    )
    return ordered(route for module in modules for route in getattr(module, "ROUTES", ()))


class Application:
    """Answer the requests to one emulator.

    Args:
        emulation: the parts that the routes share.
        routes: all routes, in the order in which they are tried.
        activity: told of every request.
        front: this is the front itself, which is asked by plain http; otherwise these are the
            services behind it, told apart by their hosts.
    """

    def __init__(
        self,
        emulation: Emulation,
        routes: Sequence[Route],
        activity: Activity,
        *,
        front: bool,
    ) -> None:
        self._emulation = emulation
        self._routes: Mapping[tuple[str, str], list[Route]] = defaultdict(list)
        for route in routes:
            self._routes[route.service, route.method].append(route)
        self._activity = activity
        self._front = front
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="answer")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        if scope["type"] != "http":
            return
        started = time.monotonic()
        region = self._emulation.settings.region
        method, path = scope["method"], scope["path"]
        headers = headers_of(scope)
        host = host_in(headers)
        service = self._service(host)
        self._activity.begin()
        try:
            try:
                response = await self._answer(service, host, headers, scope, receive)
            except (ServiceError, BlobError) as error:
                response = answers.refusal(error, method=method, headers=headers, region=region)
            except ClientGoneError:
                return
            except Exception:
                # The query may hold a signature, so it is not logged.
                _LOGGER.exception("%s https://%s%s failed", method, host, path)
                response = answers.refusal(
                    answers.failure(service), method=method, headers=headers, region=region
                )
            seconds = time.monotonic() - started
            answers.mark(response, service, headers, region=region, seconds=seconds)
            _LOGGER.debug("%s %s%s -> %s", method, host, path, response.status_code)
            await response(scope, receive, send)
        finally:
            self._activity.end()

    def _service(self, host: str) -> str:
        if self._front:
            # Another name for this address may be a page's trick to get at it (DNS rebinding).
            return "local" if host in _LOOPBACK else "unknown"
        return service_of(host) or "unknown"

    async def _answer(
        self,
        service: str,
        host: str,
        headers: Mapping[str, str],
        scope: Scope,
        receive: Receive,
    ) -> Response:
        method, path, sent_path = scope["method"], scope["path"], raw_path(scope)
        sent_query = raw_query(scope)
        route, params = self._route(service, method, sent_path)
        if route is None:
            raise answers.unknown(service, method, "" if self._front else host, path)
        scope["state"][ROUTE] = route.path
        principal = None if route.open else self._principal(route.service, method, headers)
        query = _parameters(sent_query)
        if service == "arm" and not route.open:
            region = self._emulation.settings.region
            check_api_version(query.get("api-version"), route.resource_type, region)
        call = Call(
            method=method,
            host=host,
            path=path,
            raw_path=sent_path,
            params=params,
            raw_query=sent_query,
            query=query,
            headers=headers,
            body=b"" if route.streams else await read_body(receive),
            stream=await streamed_body(receive) if route.streams else iter(()),
            emulation=self._emulation,
            principal=principal,
        )
        if route.is_brief is not None and route.is_brief(call):
            return route.handle(call)
        # What a fault says of this one request goes along in its context.
        run = copy_context().run
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, run, route.handle, call)

    def _route(
        self, service: str, method: str, raw_path: str
    ) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes.get((service, method), ()):
            found = route.pattern.fullmatch(raw_path)
            if found is not None:
                return route, {name: unquote(text) for name, text in found.groupdict().items()}
        return None, {}

    def _principal(self, service: str, method: str, headers: Mapping[str, str]) -> Principal:
        if service == "local":
            return front_principal(method, headers, self._emulation)
        if service == "arm":
            return management_principal(headers, self._emulation.identity)
        return workspace_principal(headers, self._emulation.identity)


@lru_cache(maxsize=256)  # uploads repeat one signature for each of their files
def _parameters(query: str) -> Mapping[str, str]:
    return MappingProxyType(dict(parse_qsl(query, keep_blank_values=True)))
