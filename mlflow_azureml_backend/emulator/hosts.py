"""Hosts: which the emulator answers for, which are Azure's but not emulated, and all others."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "management.azure.com": "arm",
        "*.api.azureml.ms": "api",
        "*.blob.core.windows.net": "blob",
        "login.microsoftonline.com": "login",
        "*.vault.azure.net": "vault",
    }
)
"""The emulated hosts and the services they are; a star stands for one label."""

_AZURE: Final = (
    "aether.ms",
    "azure.com",
    "azure.net",
    "azurecr.io",
    "azureml.ms",
    "azureml.net",
    "microsoftonline.com",
    "windows.net",
)
# Packages and projects come from Azure DevOps, which has nothing to do with a workspace.
_NOT_EMULATED_BUT_HARMLESS: Final = ("dev.azure.com",)


def service_of(host: str) -> str | None:
    """Name the emulated service of a host, or None.

    Args:
        host: the host, in lower case and without a port.
    """
    _, _, parent = host.partition(".")
    return SERVICES.get(host) or SERVICES.get(f"*.{parent}")


def is_refused(host: str) -> bool:
    """Tell whether a host is Azure's without being emulated.

    Whoever asks it through the emulator mistakes one for the other: what would be sent there
    belongs to an emulated workspace.

    Args:
        host: the host, in lower case and without a port.
    """
    if service_of(host) is not None or _is_below(host, _NOT_EMULATED_BUT_HARMLESS):
        return False
    return _is_below(host, _AZURE)


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
