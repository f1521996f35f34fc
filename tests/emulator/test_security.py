"""Credentials that are not the emulator's own are refused, and leave no trace."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
import requests

from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from pathlib import Path

SECRET_MARK = "belongs-to-azure"
FOREIGN_TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@pytest.fixture
def anonymous(workspace: Any) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": workspace.endpoint.proxy}
    session.verify = workspace.endpoint.ca_file
    return session


def foreign_token(issuer: str, audience: str) -> str:
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": SECRET_MARK,
        "tid": FOREIGN_TENANT,
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims, "k" * 64, algorithm="HS256", headers={"kid": SECRET_MARK})


@pytest.mark.parametrize(
    "issuer",
    [
        f"https://sts.windows.net/{FOREIGN_TENANT}/",
        f"https://login.microsoftonline.com/{FOREIGN_TENANT}/v2.0",
    ],
)
@pytest.mark.parametrize("service", ["arm", "api", "blob"])
def test_a_token_of_a_real_issuer_is_refused_and_leaves_no_trace(
    workspace: Any, anonymous: requests.Session, emulator_root: Path, issuer: str, service: str
) -> None:
    url, audience = {
        "arm": (
            f"https://management.azure.com{workspace.arm_id}?api-version=2024-04-01",
            "https://management.azure.com",
        ),
        "api": (
            f"https://eastus.api.azureml.ms/history/v1.0{workspace.arm_id}/runs/none",
            "https://ml.azure.com",
        ),
        "blob": ("https://account.blob.core.windows.net/c/b", "https://storage.azure.com"),
    }[service]
    token = foreign_token(issuer, audience)
    answer = anonymous.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == 401
    assert token not in answer.text
    assert SECRET_MARK not in answer.text
    _assert_no_trace(workspace.endpoint, emulator_root, [token, token.split(".")[1], SECRET_MARK])


def test_credentials_of_another_tenant_are_refused_and_leave_no_trace(
    workspace: Any, anonymous: requests.Session, emulator_root: Path
) -> None:
    answer = anonymous.post(
        f"https://login.microsoftonline.com/{FOREIGN_TENANT}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": "a-real-client",
            "client_secret": f"secret-that-{SECRET_MARK}",
            "scope": "https://management.azure.com/.default",
        },
        timeout=30,
    )
    assert answer.status_code == 400
    assert "credentials of any other must not be sent here" in answer.json()["error_description"]
    _assert_no_trace(workspace.endpoint, emulator_root, [SECRET_MARK])


def test_a_foreign_signature_is_refused_and_leaves_no_trace(
    workspace: Any, anonymous: requests.Session, emulator_root: Path
) -> None:
    answer = anonymous.get(
        "https://account.blob.core.windows.net/c/b",
        params={"sv": "2021-10-04", "sr": "b", "sp": "r", "sig": SECRET_MARK},
        timeout=30,
    )
    assert answer.status_code == 403
    _assert_no_trace(workspace.endpoint, emulator_root, [SECRET_MARK])


def _assert_no_trace(endpoint: Any, root: Path, secrets: list[str]) -> None:
    # Reading it writes what is still gathered in memory.
    journal = str(request(endpoint, "GET", "/_emulator/journal?limit=50"))
    assert not [each for each in secrets if each in journal]
    for file in (each for each in root.rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert not [each for each in secrets if each.encode() in content], file
