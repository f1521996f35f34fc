"""The client of a replay: signs in to an emulator and asks it with production URLs."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from tests.signing_in import access_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

MANAGEMENT: Final = "https://management.azure.com"
API_VERSION: Final = "2023-04-01-preview"
_STORAGE: Final = "https://storage.azure.com"
# The first job of an emulator waits until MLflow is imported, on a busy machine for long.
_SECONDS: Final = 180.0


@dataclass(frozen=True)
class Answer:
    """What the emulator answered.

    Args:
        status: the HTTP status; 0 when the proxy refused to go there at all.
        headers: the headers, found in any case.
        content: the body.
        refusal: why the proxy refused, or None.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    refusal: str | None = None

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def not_emulated(self) -> str | None:
        """The emulator's own words, where it says that it does not emulate this."""
        if self.refusal is not None:
            return self.refusal
        said = "supported by the emulator" in self.text or "emulator does not answer" in self.text
        if self.status < 400 or not (said or self.status == 501):
            return None
        return self._message()

    def _message(self) -> str:
        try:
            return str(requests.models.complexjson.loads(self.text)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return self.text[:200]


class Client:
    """Ask one emulator.

    Args:
        endpoint: the emulator.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session = requests.Session()
        self._session.trust_env = False  # a CA bundle named in the environment would go first
        self._session.proxies = {"https": endpoint.proxy}
        self._session.verify = endpoint.ca_file
        self._management = access_token(self._endpoint, f"{MANAGEMENT}/.default")
        self._storage = access_token(self._endpoint, f"{_STORAGE}/.default")

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request; signed with a token, unless its URL carries a signature."""
        sent = {name: text for name, text in (headers or {}).items() if text}
        host = urlsplit(url).hostname or ""
        if host.endswith(".blob.core.windows.net"):
            sent.setdefault("x-ms-version", "2021-08-06")
            sent["x-ms-date"] = formatdate(usegmt=True)
            if "sig=" not in url:
                sent["Authorization"] = f"Bearer {self._storage}"
        else:
            sent["Authorization"] = f"Bearer {self._management}"
        try:
            answer = self._session.request(
                method, url, headers=sent, data=body, timeout=_SECONDS, allow_redirects=False
            )
        except requests.exceptions.ProxyError as error:
            return Answer(0, {}, b"", refusal=_said(error, host))
        except requests.exceptions.RequestException as error:
            return Answer(0, {}, f"no answer: {error}".encode())
        return Answer(answer.status_code, answer.headers, answer.content)

    def json(self, method: str, url: str, document: Any = None) -> Answer:
        """Send a JSON document."""
        body = None if document is None else requests.models.complexjson.dumps(document).encode()
        return self.send(method, url, headers={"Content-Type": "application/json"}, body=body)


def _said(error: Exception, host: str) -> str:
    text = str(error)
    begin = text.find(f"{host} is a host of Azure")
    if begin < 0:
        return f"The emulator's proxy does not go to {host}."
    return text[begin:].split("'", maxsplit=1)[0].split('"', maxsplit=1)[0]
