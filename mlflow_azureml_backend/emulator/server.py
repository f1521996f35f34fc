"""The process of an emulator: builds its parts, answers until it is stopped or idle, cleans up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.emulator import certificates
from mlflow_azureml_backend.emulator.activity import Activity
from mlflow_azureml_backend.emulator.application import Application, all_routes
from mlflow_azureml_backend.emulator.blob_store import BlobStore
from mlflow_azureml_backend.emulator.emulation import Emulation, Settings
from mlflow_azureml_backend.emulator.endpoint import Endpoint, remove_endpoint, write_endpoint
from mlflow_azureml_backend.emulator.exclusive import exclusive
from mlflow_azureml_backend.emulator.faults.injection import FaultInjection
from mlflow_azureml_backend.emulator.http_server import HttpServer
from mlflow_azureml_backend.emulator.identity import Issuer
from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
from mlflow_azureml_backend.emulator.journal import FILE_NAME, Journal
from mlflow_azureml_backend.emulator.journaling import Journaling
from mlflow_azureml_backend.emulator.listening import listen
from mlflow_azureml_backend.emulator.new_workspace import open_workspace
from mlflow_azureml_backend.emulator.proxy import Front
from mlflow_azureml_backend.emulator.recorder import Recorder
from mlflow_azureml_backend.emulator.resources import EMULATOR_WORKSPACE
from mlflow_azureml_backend.emulator.state import State
from mlflow_azureml_backend.emulator.tracking import Tracking
from mlflow_azureml_backend.emulator.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

_LOGGER: Final = logging.getLogger(__name__)

LOCK_FILE: Final = "server.lock"
"""The file, in the state directory, that the running emulator holds locked."""

_AUTHORITY: Final = "https://login.microsoftonline.com"
_FORMER_HOLDER_SECONDS: Final = 20.0
_GRACE_SECONDS: Final = 3


def serve(settings: Settings, *, port: int = 0) -> None:
    """Run an emulator until it is stopped, gets a signal, or was idle for long enough.

    Args:
        settings: how it behaves.
        port: the front's port; 0 takes the one it had last time, or any that is free.

    Raises:
        TimeoutError: another emulator runs on this state directory.
        OSError: the port is taken.
    """
    settings.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(settings.root / LOCK_FILE, seconds=_FORMER_HOLDER_SECONDS):
        _run(_serve(settings, port))


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the faster event loop where there is one: not on Windows."""
    try:
        from uvloop import run
    except ImportError:
        asyncio.run(main)
    else:
        run(main)


async def _serve(settings: Settings, port: int) -> None:
    stopped = asyncio.Event()
    with ExitStack() as stack:
        listener = listen(settings.root / "port", port)
        stack.callback(listener.close)
        request_stop = _stop_requests(stopped)
        certificate = certificates.prepare(settings.root / "certificates")
        activity = Activity()
        emulation = _built(stack, settings, listener.address, certificate.bundle, request_stop)
        routes = all_routes()
        services: ASGIApp = Application(emulation, routes, activity, front=False)
        if settings.record is not None:
            services = Recorder(services, settings.record)
        # From outside to inside: what is asked is written down, may go wrong on its way, and is
        # recorded as the services themselves answer it.
        by_tls = Journaling(FaultInjection(services, emulation), emulation.journal)
        local = Application(emulation, routes, activity, front=True)
        plain = Journaling(local, emulation.journal)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await (by_tls if scope["scheme"] == "https" else plain)(scope, receive, send)

        server = HttpServer(answer, certificate.server)
        serving = asyncio.ensure_future(server.serve(sockets=[]))
        front = Front(
            server,
            upstream=Upstream(os.environ, listener.ports),
            pass_through=settings.pass_through,
            journal=emulation.journal,
        )
        loop = asyncio.get_running_loop()
        accepting = await loop.create_server(front.arrival, sock=listener.front)
        write_endpoint(settings.root, _endpoint(emulation))
        _LOGGER.info("answering at %s, process %d", emulation.address, os.getpid())
        emulation.tracking.warm()
        watch = asyncio.ensure_future(_watch(settings, activity, emulation.jobs, request_stop))
        try:
            # A server that ends by itself has failed, and the emulator with it.
            waits = [asyncio.ensure_future(stopped.wait()), serving]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            remove_endpoint(settings.root)
            watch.cancel()
            # Jobs that end may still have something to say, so they go before the services.
            await asyncio.to_thread(emulation.jobs.shutdown)
            accepting.close()
            await asyncio.to_thread(activity.wait_until_idle, _GRACE_SECONDS)
            front.close()
            server.should_exit = True
            for result in await asyncio.gather(serving, return_exceptions=True):
                if result is not None:
                    _LOGGER.error("the server failed: %r", result)
            _LOGGER.info("ended")


def _stop_requests(stopped: asyncio.Event) -> Callable[[], None]:
    """Give a function, for any thread, that stops the emulator; signals call it too."""
    loop = asyncio.get_running_loop()

    def request_stop() -> None:
        loop.call_soon_threadsafe(stopped.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: request_stop())
    return request_stop


def _built(
    stack: ExitStack,
    settings: Settings,
    address: str,
    ca_bundle: Path,
    request_stop: Callable[[], None],
) -> Emulation:
    identity = Issuer(settings.root / "tenant.json")
    state = State(settings.root / "state.db")
    stack.callback(state.close)
    blobs = BlobStore(settings.root / "blobs", lambda name: identity.derived_key(f"blob:{name}"))
    stack.callback(blobs.close)
    blobs.files.discard_unfinished()
    tracking = Tracking(root=settings.root / "tracking", region=settings.region, blobs=blobs)
    stack.callback(tracking.close)
    emulation = Emulation(
        settings=settings,
        state=state,
        blobs=blobs,
        identity=identity,
        tracking=tracking,
        address=address,
        ca_bundle=ca_bundle,
        request_stop=request_stop,
    )
    open_workspace(state, blobs, EMULATOR_WORKSPACE)
    emulation.journal = Journal(settings.root / FILE_NAME)
    stack.callback(emulation.journal.close)
    emulation.jobs = JobEngine(emulation)
    return emulation


def _endpoint(emulation: Emulation) -> Endpoint:
    identity = emulation.identity
    return Endpoint(
        pid=os.getpid(),
        address=emulation.address,
        proxy=emulation.address,
        ca_file=str(emulation.ca_bundle),
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        client_secret=identity.client_secret,
        authority=_AUTHORITY,
        subscription_id=EMULATOR_WORKSPACE.subscription_id,
        resource_group=EMULATOR_WORKSPACE.resource_group,
        workspace_name=EMULATOR_WORKSPACE.name,
        version=__version__,
    )


async def _watch(
    settings: Settings, activity: Activity, jobs: JobEngine, request_stop: Callable[[], None]
) -> None:
    """Stop the emulator when nobody asked it anything and no job ran for long enough."""
    limit = settings.idle_seconds
    while limit is not None:
        await asyncio.sleep(min(limit / 4, 10.0))
        if jobs.running():
            activity.touch()
        elif activity.idle_seconds() >= limit:
            _LOGGER.info("nothing happened for %g seconds", limit)
            request_stop()
            return
