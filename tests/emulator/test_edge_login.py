"""Sign-in as the unmodified azure-identity sees it, and what tokens are good for."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.identity import Issuer

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

ARM = "https://management.azure.com/.default"
FOREIGN_TOKEN = jwt.encode(
    {"iss": "https://sts.windows.net/72f988bf/", "sub": "s", "aud": "a", "exp": 4102444800},
    "another key that is long enough for sha256",
)


def test_the_client_secret_gets_a_token_of_the_tenant(signed_in: Endpoint) -> None:
    credential = ClientSecretCredential(
        signed_in.tenant_id, signed_in.client_id, signed_in.client_secret
    )
    token = credential.get_token(ARM)
    claims = jwt.decode(token.token, options={"verify_signature": False})
    assert claims["tid"] == signed_in.tenant_id
    assert claims["aud"] == "https://management.azure.com"
    assert claims["exp"] == pytest.approx(token.expires_on, abs=60)


def test_the_default_credential_needs_nothing_but_the_environment(signed_in: Endpoint) -> None:
    assert DefaultAzureCredential().get_token(ARM).token


@pytest.mark.parametrize(
    ("client", "secret", "code"),
    [
        ("own", "wrong", "AADSTS7000215"),
        ("00000000-0000-0000-0000-00000000abcd", "own", "AADSTS700016"),
    ],
)
def test_another_client_or_secret_is_refused_as_entra_does(
    signed_in: Endpoint, client: str, secret: str, code: str
) -> None:
    credential = ClientSecretCredential(
        signed_in.tenant_id,
        signed_in.client_id if client == "own" else client,
        signed_in.client_secret if secret == "own" else secret,
    )
    with pytest.raises(ClientAuthenticationError, match=code) as refused:
        credential.get_token(ARM)
    assert signed_in.client_secret not in str(refused.value)


def test_another_tenant_is_refused(signed_in: Endpoint) -> None:
    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    answer = requests.post(
        f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "client_secret": "a real one"},
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_tenant"
    assert answer.json()["error_codes"] == [90002]
    with pytest.raises(ClientAuthenticationError):
        ClientSecretCredential(tenant, signed_in.client_id, "s").get_token(ARM)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "https://management.azure.com"}, "invalid_scope"),
        ({"client_assertion": "x"}, "invalid_client"),
    ],
)
def test_other_ways_to_sign_in_are_refused_with_a_reason(
    signed_in: Endpoint, form: dict[str, str], error: str
) -> None:
    own = {
        "grant_type": "client_credentials",
        "client_id": signed_in.client_id,
        "client_secret": signed_in.client_secret,
        "scope": ARM,
    }
    answer = requests.post(
        f"https://login.microsoftonline.com/{signed_in.tenant_id}/oauth2/v2.0/token",
        data={**own, **form},
        timeout=10,
    )
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "AuthenticationFailed"),
        ("Bearer garbage", "InvalidAuthenticationToken"),
        (f"Bearer {FOREIGN_TOKEN}", "InvalidAuthenticationToken"),
    ],
)
def test_management_asks_for_a_token_of_this_emulator(
    signed_in: Endpoint, workspace, authorization: str | None, code: str
) -> None:
    answer = requests.get(
        f"https://management.azure.com{workspace.arm_id}",
        headers={"Authorization": authorization} if authorization else {},
        timeout=10,
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert signed_in.tenant_id in answer.headers["WWW-Authenticate"]


def test_management_refuses_a_token_for_another_service(signed_in: Endpoint, workspace) -> None:
    token = DefaultAzureCredential().get_token("https://storage.azure.com/.default").token
    answer = requests.get(
        f"https://management.azure.com{workspace.arm_id}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


def test_a_foreign_token_is_neither_accepted_nor_logged(
    signed_in: Endpoint, workspace, emulator_root: Path
) -> None:
    answer = requests.get(
        f"https://eastus.api.azureml.ms/history/v1.0{workspace.arm_id}/runs/none/details",
        headers={"Authorization": f"Bearer {FOREIGN_TOKEN}"},
        timeout=10,
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UserError"
    log = (emulator_root / "emulator.log").read_text()
    assert FOREIGN_TOKEN not in log
    assert signed_in.client_secret not in log


def test_a_token_ends(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "tenant.json")
    token = issuer.token(subject="s", audience="a", lifetime=timedelta(seconds=-60))
    with pytest.raises(ServiceError) as refused:
        issuer.verify(token)
    assert refused.value.status == 401
    assert refused.value.code == "ExpiredAuthenticationToken"


def test_a_token_of_another_emulator_is_foreign(tmp_path: Path) -> None:
    one, other = Issuer(tmp_path / "one.json"), Issuer(tmp_path / "other.json")
    token = one.token(subject="s", audience="a", lifetime=timedelta(hours=1))
    assert one.verify(token).subject == "s"
    with pytest.raises(ServiceError):
        other.verify(token)


def test_a_token_without_a_signature_is_refused(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "tenant.json")
    claims = jwt.decode(
        issuer.token(subject="s", audience="a", lifetime=timedelta(hours=1)),
        options={"verify_signature": False},
    )
    with pytest.raises(ServiceError):
        issuer.verify(jwt.encode(claims, "", algorithm="none"))


def test_a_tenant_is_kept_in_a_file_of_its_owner_and_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tenant.json"
    first, second = Issuer(file), Issuer(file)
    assert first.tenant_id == second.tenant_id
    assert first.is_secret(second.client_secret)
    assert first.derived_key("a") == second.derived_key("a")
    assert first.derived_key("a") != first.derived_key("b")
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o077 == 0


def test_the_endpoint_file_is_read_without_heavy_packages() -> None:
    heavy = "{'starlette', 'uvicorn', 'cryptography', 'jwt', 'yaml', 'mlflow', 'azure'}"
    code = (
        "import sys; import mlflow_azureml_backend.emulator.lifecycle; "
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
