"""Faults as clients meet them: refusals in the service's words, and connections that break."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import EnvironmentCredential
from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas

from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.pytest_plugin import Faults

CONTENT = bytes(range(256)) * 40
THROTTLED = "Received too many requests in a short amount of time. Retry again after {} seconds."


def jobs_url(workspace: Any) -> str:
    return f"https://management.azure.com{workspace.arm_id}/jobs?api-version=2024-04-01"


@pytest.fixture
def session(workspace: Any, access_token: str) -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        found.proxies = {"https": workspace.endpoint.proxy}
        found.verify = workspace.endpoint.ca_file
        found.headers["Authorization"] = f"Bearer {access_token}"
        yield found


@pytest.fixture
def account(ask: Any) -> tuple[str, str, str]:
    """Give the workspace's storage account, its key and the default datastore's container."""
    store = ask("GET", "/datastores/workspaceblobstore").json()["properties"]
    key = ask("POST", "/datastores/workspaceblobstore/listSecrets").json()["key"]
    return store["accountName"], key, store["containerName"]


@pytest.fixture
def blob(account: tuple[str, str, str], workspace: Any) -> Iterator[BlobClient]:
    name, key, container = account
    with BlobClient(
        f"https://{name}.blob.core.windows.net",
        container,
        "faulty/data.bin",
        credential={"account_name": name, "account_key": key},
        proxies={"https": workspace.endpoint.proxy},
        connection_verify=workspace.endpoint.ca_file,
        retry_total=0,
    ) as client:
        client.upload_blob(CONTENT, overwrite=True)
        yield client


@pytest.mark.parametrize("seconds", [None, 2])
def test_throttling_is_said_in_the_service_s_words(ask: Any, faults: Faults, seconds: Any) -> None:
    asked = {} if seconds is None else {"retry_after": seconds}
    faults.add(route="GET */datastores/*", status=429, count=2, **asked)
    for _ in range(2):
        answer = ask("GET", "/datastores/workspaceblobstore")
        assert answer.status_code == 429
        assert answer.headers.get("Retry-After") == (None if seconds is None else "2")
        error = answer.json()["error"]
        assert error["code"] == "UserError"
        assert error["message"] == THROTTLED.format(seconds or 20)
        info = {each["type"]: each["info"]["value"] for each in error["additionalInfo"]}
        assert info["InnerError"] == {
            "code": "QuotaExceeded",
            "innerError": {"code": "TooManyRequests", "innerError": None},
        }
        assert answer.headers["x-ms-response-type"] == "error"
        assert "x-ms-request-id" in answer.headers
    assert ask("GET", "/datastores/workspaceblobstore").status_code == 200
    assert ask("GET", "/computes/cpu-cluster").status_code == 200


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (500, "ServiceError", "InternalServerError"),
        (502, "BadGatewayConnection", "The network connectivity issue encountered for"),
        (503, "ServiceError", "Service Unavailable."),
        (504, "TransientError", "Service invocation timed out."),
        (409, "UserError", "Conflict."),
    ],
)
def test_other_failures_have_the_envelope_of_the_service(
    ask: Any, faults: Faults, status: int, code: str, words: str
) -> None:
    faults.add(status=status)
    answer = ask("GET", "/jobs")
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"].startswith(words)


@pytest.mark.parametrize("status", [502, 504])
def test_the_gateway_answers_with_its_page(ask: Any, faults: Faults, status: int) -> None:
    faults.add(status=status, html=True)
    answer = ask("GET", "/jobs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith(f"<html>\r\n<head><title>{status} ")
    assert "<hr><center>nginx</center>" in answer.text


def test_a_failure_may_hide_that_the_request_was_carried_out(ask: Any, faults: Faults) -> None:
    body = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
    faults.add(route="PUT */environments/*", status=504, count=1)
    assert ask("PUT", "/environments/lost/versions/1", body).status_code == 504
    assert ask("GET", "/environments/lost/versions/1").status_code == 404
    faults.add(route="PUT */environments/*", status=504, handled=True, count=1)
    assert ask("PUT", "/environments/lost/versions/1", body).status_code == 504
    assert ask("GET", "/environments/lost/versions/1").status_code == 200


@pytest.mark.parametrize(("moment", "found"), [("before", 404), ("after", 200)])
def test_a_connection_is_reset_before_or_after_the_request_was_carried_out(
    ask: Any, faults: Faults, moment: str, found: int
) -> None:
    faults.add(route="PUT */environments/*", reset=moment, count=1)
    body = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
    with pytest.raises(requests.ConnectionError):
        ask("PUT", "/environments/cut/versions/1", body)
    assert ask("GET", "/environments/cut/versions/1").status_code == found


def test_a_reset_reaches_the_client_through_the_tunnel_as_a_reset(
    workspace: Any, faults: Faults
) -> None:
    faults.add(reset="before")
    host, _, port = workspace.endpoint.proxy.removeprefix("http://").partition(":")
    tls = ssl.create_default_context(cafile=workspace.endpoint.ca_file)

    async def ask_for_jobs() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        loop = asyncio.get_running_loop()
        # Blocking TLS sockets call a reset an end; asyncio tells one from the other.
        transport = await loop.start_tls(
            writer.transport,
            writer.transport.get_protocol(),
            tls,
            server_hostname="management.azure.com",
        )
        transport.write(
            f"GET {workspace.arm_id}/jobs HTTP/1.1\r\nHost: management.azure.com\r\n\r\n".encode()
        )
        return await asyncio.wait_for(reader.read(), 30)

    with pytest.raises(ConnectionResetError):
        asyncio.run(ask_for_jobs())


def test_a_request_hangs_until_its_client_has_enough(
    session: requests.Session, workspace: Any, faults: Faults
) -> None:
    faults.add(route="GET */jobs", hang=True, count=1)
    with pytest.raises(requests.ReadTimeout):
        session.get(jobs_url(workspace), timeout=0.3)
    assert session.get(jobs_url(workspace), timeout=30).status_code == 200


def test_a_request_hangs_for_some_time_and_is_then_cut(ask: Any, faults: Faults) -> None:
    faults.add(route="GET */jobs", hang=0.2, count=1)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        ask("GET", "/jobs")
    assert time.monotonic() - started >= 0.2


def test_an_answer_comes_late(ask: Any, faults: Faults) -> None:
    faults.add(route="GET */jobs", latency=0.3, jitter=0.1, seed=1)
    started = time.monotonic()
    assert ask("GET", "/jobs").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_blob_comes_slowly_and_whole(blob: BlobClient, faults: Faults) -> None:
    faults.add(route="GET */data.bin", slow=20_000)
    started = time.monotonic()
    assert blob.download_blob().readall() == CONTENT
    assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("truncate", [True, 0, 100])
def test_a_blob_is_cut_off_and_the_client_notices(
    blob: BlobClient, faults: Faults, truncate: Any
) -> None:
    faults.add(route="GET */data.bin", truncate=truncate)
    # The client tries three times by itself.
    with pytest.raises((IncompleteReadError, ServiceResponseError, HttpResponseError)):
        blob.download_blob().readall()
    faults.clear()
    assert blob.download_blob().readall() == CONTENT


def test_a_blob_that_is_cut_off_once_is_read_again_by_the_client(
    blob: BlobClient, faults: Faults
) -> None:
    faults.add(route="GET */data.bin", truncate=True, count=1)
    assert blob.download_blob().readall() == CONTENT


def test_an_answer_that_is_shorter_than_the_cut_is_whole(blob: BlobClient, faults: Faults) -> None:
    faults.add(route="GET */data.bin", truncate=len(CONTENT))
    assert blob.download_blob().readall() == CONTENT


@pytest.mark.parametrize(
    ("status", "code"), [(503, "ServerBusy"), (500, "InternalError"), (409, "ResourceTypeMismatch")]
)
def test_storage_fails_in_its_own_words(
    blob: BlobClient, faults: Faults, status: int, code: str
) -> None:
    faults.add(service="blob", status=status)
    with pytest.raises(HttpResponseError) as caught:
        blob.get_blob_properties()
    assert caught.value.response.headers["x-ms-error-code"] == code
    with pytest.raises(HttpResponseError, match=code):
        blob.download_blob()


def test_the_storage_client_gets_through_what_it_retries(
    account: tuple[str, str, str], blob: BlobClient, workspace: Any, faults: Faults
) -> None:
    name, key, container = account
    faults.add(service="blob", route="PUT", status=503, count=1)
    faults.add(service="blob", route="PUT", reset="after", count=1)
    with BlobClient(
        f"https://{name}.blob.core.windows.net",
        container,
        "faulty/other.bin",
        credential={"account_name": name, "account_key": key},
        proxies={"https": workspace.endpoint.proxy},
        connection_verify=workspace.endpoint.ca_file,
        retry_total=3,
        initial_backoff=0,
        increment_base=0,
        retry_policy=None,
    ) as client:
        client.upload_blob(CONTENT, overwrite=True)
        assert client.download_blob().readall() == CONTENT
    assert [fault["struck"] for fault in faults.list()] == [1, 1]


def test_a_signature_is_refused_as_expired(
    account: tuple[str, str, str], blob: BlobClient, workspace: Any, faults: Faults
) -> None:
    name, key, container = account
    signature = generate_blob_sas(
        name,
        container,
        "faulty/data.bin",
        account_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    faults.add(expired_sas=True, count=1)
    blob.get_blob_properties()  # carries no signature, so it is not meant
    url = f"https://{name}.blob.core.windows.net/{container}/faulty/data.bin?{signature}"
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": workspace.endpoint.proxy}
        session.verify = workspace.endpoint.ca_file
        refused = session.get(url, timeout=30)
        assert refused.status_code == 403
        assert refused.headers["x-ms-error-code"] == "AuthenticationFailed"
        assert "Signature not valid in the specified time frame" in refused.text
        assert session.get(url, timeout=30).content == CONTENT


def test_signed_urls_are_issued_that_do_not_last(
    ask: Any, session: requests.Session, faults: Faults
) -> None:
    faults.add(route="POST */startPendingUpload", sas_lifetime=-60, count=1)

    def upload() -> requests.Response:
        body = {"pendingUploadType": "TemporaryBlobReference"}
        answer = ask("POST", "/codes/faulty/versions/1/startPendingUpload", body).json()
        uri, _, query = answer["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")
        return session.put(
            f"{uri}/file?{query}",
            data=b"x",
            headers={"x-ms-blob-type": "BlockBlob", "Authorization": None},
            timeout=30,
        )

    refused = upload()
    assert refused.status_code == 403
    assert "Signature not valid in the specified time frame" in refused.text
    assert upload().status_code == 201


@pytest.mark.parametrize(
    ("where", "code"),
    [("arm", "ExpiredAuthenticationToken"), ("api", "UserError")],
)
def test_a_token_is_refused_as_expired(
    ask: Any, history: str, faults: Faults, where: str, code: str
) -> None:
    faults.add(expired_token=True, service=where, count=1)
    path = "/jobs" if where == "arm" else f"{history}/runs/none"
    answer = ask("GET", path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert ask("GET", path).status_code in {200, 404}


def test_a_token_expires_and_the_credential_gets_another(
    signed_in: Any, workspace: Any, session: requests.Session
) -> None:
    short = request(
        signed_in,
        "POST",
        "/_emulator/faults",
        body={"service": "login", "client": "short-lived", "token_lifetime": -60, "count": 1},
    )["faults"][0]
    credential = EnvironmentCredential(user_agent="short-lived")
    try:
        first = credential.get_token("https://management.azure.com/.default").token
        second = credential.get_token("https://management.azure.com/.default").token
    finally:
        request(signed_in, "DELETE", f"/_emulator/faults/{short['id']}")
    assert _claims(first)["exp"] < time.time() < _claims(second)["exp"]
    statuses = []
    for token in (first, second):
        answer = session.get(
            jobs_url(workspace), headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        statuses.append(answer.status_code)
    assert statuses == [401, 200]


@pytest.mark.parametrize("status", [500, 503])
def test_signing_in_fails_in_the_tenant_s_words(signed_in: Any, status: int) -> None:
    fault = {"service": "login", "client": "unlucky", "status": status}
    [added] = request(signed_in, "POST", "/_emulator/faults", body=fault)["faults"]
    try:
        credential = EnvironmentCredential(user_agent="unlucky", retry_total=0)
        with pytest.raises((ClientAuthenticationError, HttpResponseError, ServiceRequestError)):
            credential.get_token("https://management.azure.com/.default")
    finally:
        request(signed_in, "DELETE", f"/_emulator/faults/{added['id']}")


def test_one_workspace_s_faults_leave_the_others_alone(
    ask: Any, faults: Faults, emulator: Any
) -> None:
    faults.add(status=503)
    assert ask("GET", "/jobs").status_code == 503
    other = (
        "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000"
        "/resourceGroups/emulator/providers/Microsoft.MachineLearningServices/workspaces/emulator"
    )
    assert ask("GET", f"{other}?api-version=2024-04-01").status_code == 200


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
