"""The HTTP transport of azure-core's pipelines: one set of sockets, one reading of authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from mlflow_azureml_backend.workspace.trust import trusting

if TYPE_CHECKING:
    import ssl

    from mlflow_azureml_backend.workspace.endpoint import Endpoint

# So many requests of the process at the same time, each on a connection of its own.
_MOST_CONNECTIONS = 32


def shared_transport(endpoint: Endpoint) -> RequestsTransport:
    """Build a transport that any number of pipelines and threads may use, and none closes.

    Args:
        endpoint: How to reach the service.
    """
    session = requests.Session()
    session.mount("https://", _Trusting(trusting(endpoint)))
    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=10,
        read_timeout=60,
        **endpoint.client_arguments,
    )


class _Trusting(HTTPAdapter):
    """Open connections with TLS settings that are there, not with a file that is to be read."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(
            pool_maxsize=_MOST_CONNECTIONS,
            pool_block=True,
            # As azure-core's own session: what is repeated, and how, is said by its policies.
            max_retries=Retry(total=False, redirect=False, raise_on_status=False),
        )

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Give the settings to connections without a proxy."""
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Give the settings to connections through a proxy."""
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        """Name no file of authorities (requests from 2.32 on)."""
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {
            **{key: value for key, value in options.items() if not key.startswith("ca_cert")},
            "cert_reqs": "CERT_REQUIRED",
            "ssl_context": self._context,
        }

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:  # noqa: ARG002
        """Demand a certificate, and name no file of authorities."""
        conn.cert_reqs = "CERT_REQUIRED"
