"""One connection to one workspace: credential, cached tokens, HTTP pipelines."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.workspace.failures import service_errors

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import WorkspaceRef
    from mlflow_azureml_backend.workspace.endpoint import Endpoint

ARM = "https://management.azure.com"
_SCOPE = f"{ARM}/.default"
_VAULT_SCOPE = "https://vault.azure.net/.default"
_REFRESH_SECONDS = 300.0
_WHOLE = 200
_RANGE_NOT_SATISFIABLE = 416
# A POST of ours begins an upload or cancels a job: made twice, it does what it does once.
_REPEATED = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})


class CachedCredential:
    """Ask the credential once a scope, and again shortly before the token ends.

    azure-ai-ml asks for a token several times a submission, and AzureCliCredential starts a
    process each time.
    """

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._tokens: dict[tuple[str, ...], Any] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Give an azure-core AccessToken, cached where no claims are asked for."""
        if options.get("claims"):
            return self._credential.get_token(*scopes, **options)
        with self._lock:
            token = self._tokens.get(scopes)
            if token is None or token.expires_on - time.time() < _REFRESH_SECONDS:
                token = self._tokens[scopes] = self._credential.get_token(*scopes, **options)
            return token


class Connection:
    """Send requests to one workspace's services.

    Args:
        ref: The workspace.
        endpoint: How to reach the service.
    """

    def __init__(self, ref: WorkspaceRef, endpoint: Endpoint) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies
        from azure.core.pipeline.transport import RequestsTransport

        self.ref = ref
        self.endpoint = endpoint
        self.credential = CachedCredential(endpoint.credential())
        arguments = dict(endpoint.client_arguments)
        transport = RequestsTransport(connection_timeout=10, read_timeout=60, **arguments)

        def pipeline(*authentication: Any) -> PipelineClient:
            # Built anew for each: a policy knows the one that comes next.
            chain = [
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy(f"mlflow-azureml-backend/{__version__}"),
                policies.ProxyPolicy(**arguments),
                policies.RetryPolicy(retry_total=3, retry_backoff_factor=0.5),
                *authentication,
            ]
            return PipelineClient(ARM, policies=chain, transport=transport)

        self._signed = pipeline(policies.BearerTokenCredentialPolicy(self.credential, _SCOPE))
        # SAS URLs carry their own authority; our token must not go to a storage account.
        self._anonymous = pipeline()
        self._facts: dict[str, Any] | None = None

    @property
    def workspace_facts(self) -> dict[str, Any]:
        """The workspace's ARM resource, asked for once."""
        if self._facts is None:
            self._facts = self.arm(
                "GET", "", api_version="2024-04-01", doing=f"opening {self._shown}"
            )
        return self._facts

    @property
    def _shown(self) -> str:
        return f"workspace '{self.ref.workspace_name}' in '{self.ref.resource_group}'"

    @property
    def api(self) -> str:
        """Base URL of the workspace's regional services (run history, MLflow)."""
        discovery: str = self.workspace_facts["properties"]["discoveryUrl"]
        return discovery.removesuffix("/").removesuffix("/discovery")

    def arm(
        self,
        method: str,
        path: str,
        *,
        api_version: str,
        doing: str,
        body: Any = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Call Azure Resource Manager below the workspace.

        Args:
            method: HTTP method.
            path: What follows the workspace's ARM id, with a leading slash, or nothing.
            api_version: The version that the operation is known to answer.
            doing: For the message of a failure.
            body: JSON body.
            query: Further query parameters.

        Returns:
            The JSON object of the answer, empty when there was no body.

        Raises:
            WorkspaceError: The service refused, or could not be reached.
        """
        parameters = {"api-version": api_version, **(query or {})}
        url = f"{ARM}{self.ref.arm_id}{path}"
        return self.json(method, url, doing=doing, body=body, query=parameters)

    def json(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a signed request and read a JSON object."""
        from azure.core.rest import HttpRequest

        with service_errors(doing):
            response = self._signed.send_request(
                HttpRequest(method, url, params=query, json=body),
                stream=False,
                retry_on_methods=_REPEATED,
            )
            response.raise_for_status()
            return dict(response.json() or {}) if response.content else {}

    def vault(self, method: str, url: str, *, doing: str, body: Any) -> dict[str, Any]:
        """Send a request to a Key Vault, which takes tokens of its own.

        Args:
            method: HTTP method.
            url: The secret's URL.
            doing: For the message of a failure; never the secret.
            body: JSON body.

        Raises:
            WorkspaceError: The vault refused, or could not be reached.
        """
        from azure.core.rest import HttpRequest

        with service_errors(doing):
            token = self.credential.get_token(_VAULT_SCOPE).token
            headers = {"Authorization": f"Bearer {token}"}
            response = self._anonymous.send_request(
                HttpRequest(method, url, json=body, headers=headers),
                retry_on_methods=_REPEATED,
            )
            response.raise_for_status()
            return dict(response.json())

    def bytes_from(self, url: str, *, offset: int, size: int) -> bytes:
        """Read part of a blob by its SAS URL.

        Args:
            url: SAS URL.
            offset: First byte.
            size: At most so many bytes.

        Returns:
            The bytes; none at the end of the blob, which Azure answers with 416 and others with
            an empty 206.
        """
        from azure.core.rest import HttpRequest

        last = offset + size - 1
        headers = {"x-ms-range": f"bytes={offset}-{last}", "x-ms-version": "2021-08-06"}
        with service_errors("reading a log"):
            response = self._anonymous.send_request(HttpRequest("GET", url, headers=headers))
            if response.status_code == _RANGE_NOT_SATISFIABLE:
                return b""
            response.raise_for_status()
            # A server that ignores the range sends the whole blob.
            whole = response.status_code == _WHOLE
            return bytes(response.content[offset : offset + size] if whole else response.content)
