"""Key Vault and the identities of jobs, as their own clients ask them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.signing_in import access_token

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.endpoint import Endpoint

VAULT = "https://vault.azure.net"
SECONDS = 180.0


@pytest.fixture
def ask(emulator: Endpoint) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_file
        host = f"https://v{uuid.uuid4().hex[:8]}.vault.azure.net"

        def send(method: str, path: str, *, scope: str | None = VAULT, **body: Any) -> Any:
            headers = {}
            if scope is not None:
                token = access_token(emulator, f"{scope}/.default")
                headers = {"Authorization": f"Bearer {token}"}
            return session.request(
                method,
                f"{host}{path}?api-version=7.4",
                json=body or None,
                headers=headers,
                proxies={"https": emulator.proxy},
                timeout=SECONDS,
            )

        yield send


def test_a_secret_has_versions_and_the_newest_is_given(ask: Any) -> None:
    first = ask("PUT", "/secrets/a-key", value="one").json()
    second = ask("PUT", "/secrets/a-key", value="two", tags={"t": "x"}).json()
    version = first["id"].rpartition("/")[2]

    assert ask("GET", "/secrets/A-Key").json()["value"] == "two"
    assert ask("GET", "/secrets/a-key/").json()["tags"] == {"t": "x"}
    assert ask("GET", f"/secrets/a-key/{version}").json()["value"] == "one"
    assert second["attributes"]["enabled"] is True


def test_what_is_not_there_expired_or_no_secret_is_refused(ask: Any) -> None:
    ask("PUT", "/secrets/old", value="x", attributes={"exp": 1})
    found = [ask("GET", "/secrets/none"), ask("GET", "/secrets/old"), ask("PUT", "/secrets/a", x=1)]

    assert [answer.status_code for answer in found] == [404, 403, 400]
    assert found[0].json()["error"]["code"] == "SecretNotFound"


@pytest.mark.parametrize("scope", [None, "https://management.azure.com"])
def test_a_token_for_another_service_is_refused_and_the_right_one_named(
    ask: Any, scope: str | None
) -> None:
    answer = ask("GET", "/secrets/a", scope=scope)

    assert answer.status_code == 401
    assert f'resource="{VAULT}"' in answer.headers["WWW-Authenticate"]


def test_nobody_gets_a_jobs_token_without_the_token_of_its_run(emulator: Endpoint) -> None:
    for path in ("msi/token", "obo/token"):
        answer = requests.get(
            f"{emulator.proxy}/_emulator/identity/{path}",
            params={"resource": VAULT, "run": "a.b.c"},
            headers={"secret": "a.b.c"},
            timeout=SECONDS,
        )
        assert answer.status_code == 401
