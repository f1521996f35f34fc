"""Try each link of azure-identity's DefaultAzureCredential, to tell which one signs in."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mlflow_azureml_backend.workspace.connection import ARM
from mlflow_azureml_backend.workspace.failures import without_secrets

_SCOPE = f"{ARM}/.default"
_LONGEST = 160

# The chain goes on behind these whatever they say; behind the others only when they are not set up.
_FOR_DEVELOPERS = frozenset(
    {
        "SharedTokenCacheCredential",
        "VisualStudioCodeCredential",
        "AzureCliCredential",
        "AzurePowerShellCredential",
        "AzureDeveloperCliCredential",
        "BrokerCredential",
    }
)


class LinkState(str, Enum):
    """What one link of the chain does."""

    WORKS = "works"
    NOT_SET_UP = "not set up"
    REFUSED = "refused"
    SILENT = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One credential of the chain.

    Args:
        name: The class's name, as azure-identity's messages call it.
        says: The reason in its own words, or nothing.
    """

    name: str
    state: LinkState
    says: str = ""

    @property
    def ends_the_chain(self) -> bool:
        """Whether azure-identity asks no link behind this one."""
        if self.state is LinkState.NOT_SET_UP:
            return False
        return self.state is LinkState.WORKS or self.name not in _FOR_DEVELOPERS


def try_chain(*, seconds: float = 10.0) -> list[ChainLink]:
    """Ask every link for a token, all at once, and forget the tokens.

    Args:
        seconds: How long each may take.

    Returns:
        The links in the chain's order; the first that `ends_the_chain` is the one that counts.
    """
    from azure.identity import DefaultAzureCredential

    # What each link says is told by us; azure-identity would log it as warnings besides.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    with DefaultAzureCredential() as chain:
        links = [_Attempt(credential) for credential in chain.credentials]
        for link in links:
            link.start()
        for link in links:
            link.join(seconds)
        return [link.result() for link in links]


class _Attempt(threading.Thread):
    def __init__(self, credential: Any) -> None:
        # A link that hangs is left behind.
        super().__init__(daemon=True)
        self._credential = credential
        # What could not even be made stands in the chain under another class.
        self._called: str = getattr(credential, "_credential_name", type(credential).__name__)
        self._found: ChainLink | None = None

    def run(self) -> None:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import CredentialUnavailableError

        try:
            self._credential.get_token(_SCOPE)
        except CredentialUnavailableError as error:
            self._found = self._link(LinkState.NOT_SET_UP, error)
        except ClientAuthenticationError as error:
            self._found = self._link(LinkState.REFUSED, error)
        except Exception as error:  # noqa: BLE001  # a link's own trouble is what is asked for
            self._found = self._link(LinkState.REFUSED, error)
        else:
            self._found = ChainLink(name=self._called, state=LinkState.WORKS)

    def result(self) -> ChainLink:
        return self._found or ChainLink(name=self._called, state=LinkState.SILENT)

    def _link(self, state: LinkState, error: Exception) -> ChainLink:
        lines = without_secrets(str(error)).strip().splitlines()
        says = lines[0][:_LONGEST] if lines else type(error).__name__
        return ChainLink(name=self._called, state=state, says=says)
