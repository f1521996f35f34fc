"""One connection to one workspace: credential, cached tokens, HTTP pipelines."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.answers import Answers
from mlflow_azureml_backend.errors import AuthenticationError, ForbiddenError, UnavailableError
from mlflow_azureml_backend.workspace.failures import service_errors, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.job import LogPart, WorkspaceRef
    from mlflow_azureml_backend.workspace.endpoint import Endpoint

_T = TypeVar("_T")

ARM = "https://management.azure.com"
_SCOPE = f"{ARM}/.default"
_VAULT_SCOPE = "https://vault.azure.net/.default"
_REFRESH_SECONDS = 300.0
# What hardly ever changes is asked again now and then: a process can live for days.
_FRESH_SECONDS = 300.0
_BAD_REQUEST = 400
# For those who ask again themselves, and rather soon: no hanging server may hold them up.
_BRIEF = {
    "retry_total": 0,
    "connection_timeout": 5.0,
    "read_timeout": 10.0,
    "heeds_pauses": False,
}
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


class Access:
    """Who asks and over which sockets: the same for all workspaces of an endpoint.

    Args:
        endpoint: How to reach the service.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        from mlflow_azureml_backend.workspace.shared_pause import SharedPause
        from mlflow_azureml_backend.workspace.transport import shared_transport

        self.pause = SharedPause()
        self.transport = shared_transport(endpoint)
        self.credential = CachedCredential(endpoint.credential(transport=self.transport))


class Connection:
    """Send requests to one workspace's services.

    Args:
        ref: The workspace.
        endpoint: How to reach the service.
        access: What connections have in common; default: made for this one.
    """

    def __init__(
        self, ref: WorkspaceRef, endpoint: Endpoint, *, access: Access | None = None
    ) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        from mlflow_azureml_backend.workspace.shared_pause import PatientRetries

        # It warns of each body that breaks off; who reads a log reads on, and says so if it must.
        logging.getLogger("azure.core.pipeline.transport").setLevel(logging.ERROR)
        self.ref = ref
        self.endpoint = endpoint
        access = access or Access(endpoint)
        self.credential = access.credential
        arguments = dict(endpoint.client_arguments)
        transport = access.transport

        def pipeline(*authentication: Any) -> PipelineClient:
            # Built anew for each: a policy knows the one that comes next.
            chain = [
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy(f"mlflow-azureml-backend/{__version__}"),
                policies.ProxyPolicy(**arguments),
                PatientRetries(retry_total=3, retry_backoff_factor=0.5),
                access.pause,
                *authentication,
            ]
            return PipelineClient(ARM, policies=chain, transport=transport)

        self._signed = pipeline(policies.BearerTokenCredentialPolicy(self.credential, _SCOPE))
        # SAS URLs carry their own authority; our token must not go to a storage account.
        self._anonymous = pipeline()
        self._answers = Answers()

    def once(
        self, question: tuple[str, ...], ask: Callable[[], _T], *, seconds: float = _FRESH_SECONDS
    ) -> _T:
        """Give what was answered lately, or ask; threads that ask the same ask once.

        What fails is asked again.

        Args:
            question: Names what is asked, among all that is asked of this workspace.
            ask: Asks.
            seconds: For how long the answer holds.
        """
        return self._answers.give(question, ask, seconds=seconds)

    @property
    def workspace_facts(self) -> dict[str, Any]:
        """The workspace's ARM resource."""
        return self.once(
            ("workspace",),
            lambda: self.arm("GET", "", api_version="2024-04-01", doing=f"opening {self._shown}"),
        )

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
        brief: bool = False,
    ) -> dict[str, Any]:
        """Send a signed request and read a JSON object.

        Args:
            method: HTTP method.
            url: Where to.
            doing: For the message of a failure.
            body: JSON body.
            query: Query parameters.
            brief: Make one attempt with short timeouts, for who asks again anyway.

        Raises:
            WorkspaceError: The service refused, could not be reached, or something else than it
                answered.
        """
        from azure.core.rest import HttpRequest

        with self._signed_in(doing, url):
            response = self._signed.send_request(
                HttpRequest(method, url, params=query, json=body),
                stream=False,
                retry_on_methods=_REPEATED,
                **(_BRIEF if brief else {}),
            )
            response.raise_for_status()
            if not response.content:
                return {}
            try:
                return dict(response.json() or {})
            except (TypeError, ValueError) as error:
                # The page of a gateway or of a hotel's network, which both come with a 200.
                raise UnavailableError(
                    f"Error while {doing}: the answer is no JSON object ({without_secrets(url)})."
                ) from error

    @contextlib.contextmanager
    def _signed_in(self, doing: str, url: str) -> Iterator[None]:
        """Keep nothing of a user whom the workspace refuses: the next one may be somebody else."""
        from mlflow_azureml_backend.workspace.open_connections import forget

        try:
            with service_errors(doing):
                yield
        except (AuthenticationError, ForbiddenError):
            if self.ref.arm_id in url:
                forget(self)
            raise

    def token(self, scope: str) -> str:
        """Give a token of the credential's user.

        Args:
            scope: Whom it is for.

        Raises:
            AuthenticationError: Nobody is signed in.
        """
        with service_errors(f"signing in for {scope}"):
            return str(self.credential.get_token(scope).token)

    def exchange(self, url: str, form: dict[str, str], *, doing: str) -> dict[str, Any]:
        """Send a form that holds its own authority, and read a JSON object."""
        from azure.core.rest import HttpRequest

        with service_errors(doing):
            response = self._anonymous.send_request(HttpRequest("POST", url, data=form))
            response.raise_for_status()
            return dict(response.json())

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
            The bytes; none at the end of the blob.
        """
        return self.part_of(url, offset=offset, size=size).data

    def part_of(self, url: str, *, offset: int, size: int, brief: bool = False) -> LogPart:
        """Read part of a blob by its SAS URL, and what the answer tells of the whole.

        Args:
            url: SAS URL.
            offset: First byte.
            size: At most so many bytes.
            brief: Make one attempt with short timeouts, for who asks again anyway.

        Raises:
            WorkspaceError: The blob could not be read.
        """
        from azure.core.rest import HttpRequest

        from mlflow_azureml_backend.workspace.blob_part import RANGE_NOT_SATISFIABLE, read_part

        last = offset + size - 1
        headers = {"x-ms-range": f"bytes={offset}-{last}", "x-ms-version": "2021-08-06"}
        with service_errors("reading a log"):
            response = self._anonymous.send_request(
                HttpRequest("GET", url, headers=headers),
                stream=True,
                **(_BRIEF if brief else {}),
            )
            with response:
                if response.status_code != RANGE_NOT_SATISFIABLE:
                    _raise_for_status(response)
                return read_part(response, offset=offset, size=size)


def _raise_for_status(response: Any) -> None:
    if response.status_code >= _BAD_REQUEST:
        response.read()  # the service's own words are in the body, which is not here yet
    response.raise_for_status()
