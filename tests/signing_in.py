"""Tokens as any program gets them of an emulator: by a client secret, with the plain protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.endpoint import Endpoint

MANAGEMENT: Final = "https://management.azure.com/.default"
_SECONDS: Final = 180.0


def access_token(endpoint: Endpoint, scope: str = MANAGEMENT) -> str:
    """Sign in at an emulator.

    Args:
        endpoint: the emulator.
        scope: what the token is to be good for.
    """
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            f"{endpoint.authority}/{endpoint.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": endpoint.client_id,
                "client_secret": endpoint.client_secret,
                "scope": scope,
            },
            proxies={"https": endpoint.proxy},
            verify=endpoint.ca_file,
            timeout=_SECONDS,
        )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
