"""Faults between the wire and the services: an ASGI application around the services' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.faults.effects import EFFECTS
from mlflow_azureml_backend.emulator.faults.scope import asked

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from mlflow_azureml_backend.emulator.emulation import Emulation

STRUCK_BY: Final = "faults"
"""The key, in the ASGI scope's `state`, of the names of the faults that struck a request."""


class FaultInjection:
    """Answer requests as the services do, but for the faults that strike them.

    Args:
        app: the services.
        emulation: the parts of the emulator, and its plan of faults.
    """

    def __init__(self, app: ASGIApp, emulation: Emulation) -> None:
        self._app = app
        self._emulation = emulation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        app = self._app
        if scope["type"] == "http" and not self._emulation.faults.is_empty:
            striking = self._emulation.faults.striking(asked(scope))
            for active in reversed(striking):
                app = EFFECTS[active.fault.effect](active, app, self._emulation)
            scope["state"][STRUCK_BY] = [str(active.fault) for active in striking]
        await app(scope, receive, send)
