"""How long what is issued is good: as the service has it, or as a fault has it for one request."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

# Of the request that is being answered: the thread that answers it runs in its context.
_TOKENS: Final[ContextVar[timedelta | None]] = ContextVar("token_lifetime", default=None)
_SIGNATURES: Final[ContextVar[timedelta | None]] = ContextVar("sas_lifetime", default=None)


def token_lifetime(usual: timedelta) -> timedelta:
    """Say how long a token that is issued now is good.

    Args:
        usual: how long the service would make it good.
    """
    wanted = _TOKENS.get()
    return usual if wanted is None else wanted


def signature_lifetime(usual: timedelta) -> timedelta:
    """Say how long a shared access signature that is made now is good.

    Args:
        usual: how long the service would make it good.
    """
    wanted = _SIGNATURES.get()
    return usual if wanted is None else wanted


@contextmanager
def issuing(
    *, tokens: timedelta | None = None, signatures: timedelta | None = None
) -> Iterator[None]:
    """Let what is issued inside be good for so long; None leaves it as it is."""
    former = _TOKENS.get(), _SIGNATURES.get()
    _TOKENS.set(former[0] if tokens is None else tokens)
    _SIGNATURES.set(former[1] if signatures is None else signatures)
    try:
        yield
    finally:
        _TOKENS.set(former[0])
        _SIGNATURES.set(former[1])
